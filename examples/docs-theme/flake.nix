{
  description = "The look of acme's documentation";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
    # Only its files are wanted, not its outputs.
    style.url = "git+https://git.acme.example/style?ref=main";
    style.flake = false;
  };

  outputs =
    { self, nixpkgs, style }:
    {
      lib.version = "1.1";
      lib.ink = (builtins.fromJSON (builtins.readFile "${style}/colours.json")).ink;
      lib.parts = [ "docs-theme ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ];
    };
}
