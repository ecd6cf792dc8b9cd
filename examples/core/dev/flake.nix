{
  description = "What people need who work on core: a second flake of the same repository";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    style.url = "git+https://git.acme.example/style?ref=main";
    style.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, style }:
    {
      lib.parts = [ "core/dev on nixpkgs ${nixpkgs.lib.version}" ] ++ style.lib.parts;
    };
}
