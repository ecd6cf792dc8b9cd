{
  description = "acme's machines";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    # The machines run what has been released: another branch of api than its main.
    api.url = "git+https://git.acme.example/api?ref=stable";
    api.inputs.nixpkgs.follows = "nixpkgs";
    # Without a follows: the lock gets a second nixpkgs, cli's own.
    cli.url = "git+https://git.acme.example/cli?ref=main";
  };

  outputs =
    { self, nixpkgs, api, cli }:
    {
      lib.version = "1.0";
      lib.parts = [ "fleet ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ] ++ api.lib.parts ++ cli.lib.parts;
    };
}
