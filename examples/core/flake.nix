{
  description = "acme's core: what every service is built on";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    lib.url = "git+https://git.acme.example/lib?ref=main";
    lib.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, lib }:
    {
      lib.version = "1.1";
      lib.parts = [ "core ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ] ++ lib.lib.parts;
    };
}
