{
  description = "A stand-in for nixpkgs, for looking at the outputs of a flake without network";

  outputs = _: {
    lib = import ./lib.nix // {
      nixosSystem = import ./nixos.nix;
    };
    legacyPackages = builtins.listToAttrs (
      map
        (system: {
          name = system;
          value = import ./pkgs.nix {
            lib = import ./lib.nix;
            inherit system;
          };
        })
        [
          "x86_64-linux"
          "aarch64-linux"
          "aarch64-darwin"
        ]
    );
  };
}
