{
  description = "One nixpkgs, one update, tested together, landed in order: for organisations with many Nix flake repositories";

  # The one input: a tool that keeps pins together brings no others.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      forEachSystem = make: lib.genAttrs systems (system: make system nixpkgs.legacyPackages.${system});
    in
    {
      packages = forEachSystem (
        system: pkgs:
        let
          flakesync = pkgs.callPackage ./nix/package.nix { };
        in
        {
          inherit flakesync;
          default = flakesync;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          image = pkgs.callPackage ./nix/image.nix { inherit flakesync; };
        }
      );

      apps = forEachSystem (
        system: _: {
          default = {
            type = "app";
            program = "${self.packages.${system}.default}/bin/flakesync";
          };
          nightly = {
            type = "app";
            program = "${self.packages.${system}.default}/libexec/flakesync-nightly";
          };
        }
      );

      overlays.default = final: _prev: { flakesync = final.callPackage ./nix/package.nix { }; };

      # A set that imports the file: errors name the file, and a module that is imported twice is one module.
      nixosModules.default.imports = [ ./nix/nixos.nix ];
      homeModules.default.imports = [ ./nix/home.nix ];

      devShells = forEachSystem (
        system: pkgs: {
          default = pkgs.mkShell {
            # The package's dependencies, and what `make lint` and the tests start.
            inputsFrom = [ self.packages.${system}.default ];
            packages = [
              pkgs.git
              pkgs.gnumake
              pkgs.mandoc
              pkgs.nix
              pkgs.nixfmt
              pkgs.openssl
              pkgs.ruff
              pkgs.shellcheck
              pkgs.python3Packages.hypothesis
              pkgs.python3Packages.jsonschema
              pkgs.python3Packages.mypy
              pkgs.python3Packages.pytest
              pkgs.python3Packages.pytest-timeout
              pkgs.python3Packages.pytest-xdist
            ];
          };
        }
      );

      # `nix fmt` names no file, or a folder with Nix before 2.25: nixfmt would wait for input, or change the examples too.
      formatter = forEachSystem (
        _: pkgs:
        pkgs.writeShellScriptBin "format" ''
          case "$*" in "" | .) set -- flake.nix nix/*.nix ;; esac
          exec ${pkgs.nixfmt}/bin/nixfmt "$@"
        ''
      );

      checks = forEachSystem (
        system: pkgs:
        {
          package = self.packages.${system}.default;
          version = self.packages.${system}.default.tests.version;
          shell = self.devShells.${system}.default;
          format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
            nixfmt --check ${./flake.nix} ${./nix}/*.nix
            touch "$out"
          '';
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          # The unit as a whole NixOS makes it.
          module =
            (lib.nixosSystem {
              inherit system;
              modules = [
                self.nixosModules.default
                {
                  services.flakesync = {
                    enable = true;
                    workspace = "github:acme/workspace";
                  };
                }
              ];
            }).config.systemd.units."flakesync.service".unit;
        }
      );
    };
}
