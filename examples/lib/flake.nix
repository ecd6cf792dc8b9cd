{
  description = "acme's shared Nix functions";

  inputs = {
    nixpkgs.url = "git+https://git.acme.example/nixpkgs?ref=nixos-25.11";
  };

  outputs =
    { self, nixpkgs }:
    {
      lib.version = "1.3";
      # What this is put together from, itself first: `nix eval .#lib.parts` works in every one of these repos.
      lib.parts = [ "lib ${self.lib.version} on nixpkgs ${nixpkgs.lib.version}" ];
    };
}
