# What a module makes of each of some configurations: the units and the rest of it, or null where it is refused.
# configs: expressions of Nix, given lib and pkgs.
{
  module,
  configs,
  system ? "x86_64-linux",
}:

let
  lib = import ./lib.nix;
  look =
    config:
    let
      found =
        (import ./nixos.nix {
          inherit system;
          modules = [
            module
            config
          ];
        }).config;
      shown = {
        refused = map (each: each.message) (builtins.filter (each: !each.assertion) found.assertions);
        inherit (found.systemd) services timers;
        inherit (found.systemd.tmpfiles) rules;
        user = { inherit (found.systemd.user) services timers; };
        groups = builtins.attrNames found.users.groups;
      };
      tried = builtins.tryEval (builtins.deepSeq shown shown);
    in
    if tried.success then tried.value else null;
in
map (config: look config) configs
