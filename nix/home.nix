# home-manager: flakesync every night as a service of the user, with the user's own git, ssh and Nix.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.flakesync;
  night = import ./night.nix {
    inherit lib pkgs cfg;
    path = [
      cfg.package
      pkgs.git
      pkgs.openssh
      pkgs.bash
      pkgs.coreutils
      pkgs.gnused
    ];
    # Nix is the user's: the manager of a user's services does not always have it on PATH.
    exports = ''
      export PATH="$PATH:$HOME/.nix-profile/bin:/etc/profiles/per-user/''${USER-}/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin"
    '';
  };
in
{
  options.services.flakesync = import ./options.nix { inherit lib pkgs; };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = night.assertions ++ [
          {
            assertion = pkgs.stdenv.hostPlatform.isLinux;
            message = "services.flakesync needs systemd, which this system does not have.";
          }
        ];

        systemd.user.services.flakesync = {
          Unit.Description = "flakesync: bump, publish and report on the flake repositories";
          Service = night.service // {
            ExecStart = "${night.script}";
          };
        };
      }

      (lib.mkIf (cfg.startAt != [ ]) {
        systemd.user.timers.flakesync = {
          Unit.Description = "flakesync every night";
          Timer = night.timer;
          Install.WantedBy = [ "timers.target" ];
        };
      })
    ]
  );
}
