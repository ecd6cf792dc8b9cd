{
  description = "acme's HTTP service";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    lib.url = "git+https://git.acme.example/lib?ref=main";
    lib.inputs.nixpkgs.follows = "nixpkgs";
    core.url = "git+https://git.acme.example/core?ref=main";
    core.inputs.nixpkgs.follows = "nixpkgs";
    core.inputs.lib.follows = "lib";
  };

  outputs =
    { self, nixpkgs, lib, core }:
    {
      lib.version = "2.0";
      lib.parts = [ "api ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ] ++ core.lib.parts;
    };
}
