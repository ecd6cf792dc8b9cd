# What the modules set in NixOS and in home-manager, declared; units are shown instead of built.
{
  system ? "x86_64-linux",
  modules,
}:

let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit lib system; };
  any = lib.mkOption {
    type = lib.types.anything;
    default = { };
  };
  list = lib.mkOption {
    type = lib.types.listOf lib.types.anything;
    default = [ ];
  };
  found = lib.evalModules {
    specialArgs = { inherit lib pkgs; };
    modules = modules ++ [
      {
        options = {
          assertions = list;
          # What examples set beside.
          home = any;
          programs.ssh = any;
          services.nginx = any;
          nix.package = any // {
            default = pkgs.nix;
          };
          systemd = {
            services = any;
            timers = any;
            tmpfiles.rules = list;
            user.services = any;
            user.timers = any;
          };
          users.groups = any;
        };
      }
    ];
  };
in
{
  inherit (found) options;
  config = found.config // {
    systemd = found.config.systemd // {
      units."flakesync.service".unit = derivation {
        name = "flakesync.service";
        inherit system;
        builder = "/bin/sh";
        unit = builtins.toJSON found.config.systemd.services.flakesync.serviceConfig;
      };
    };
  };
}
