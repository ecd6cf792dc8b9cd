{
  description = "acme's command line";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    core.url = "git+https://git.acme.example/core?ref=main";
    core.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, core }:
    {
      lib.version = "1.0";
      lib.parts = [ "cli ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ] ++ core.lib.parts;
    };
}
