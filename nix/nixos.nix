# NixOS: flakesync every night as a system service with a user of its own, fenced in.
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
      config.nix.package
      pkgs.git
      pkgs.openssh
      pkgs.bash
      pkgs.coreutils
      pkgs.gnused
    ];
    # The daemon builds: what it does is outside of the fence. A store that the service writes itself is not.
    exports = ''
      export HOME="$STATE_DIRECTORY" XDG_CACHE_HOME="$CACHE_DIRECTORY" NIX_REMOTE=daemon
    '';
    homes = [
      "/home"
      "/root"
      "/run/user"
    ];
  };
in
{
  options.services.flakesync = import ./options.nix { inherit lib pkgs; };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        inherit (night) assertions;

        systemd.services.flakesync = {
          description = "flakesync: bump, publish and report on the flake repositories";
          wants = [ "network-online.target" ];
          after = [
            "network-online.target"
            "nix-daemon.socket"
          ];
          # A night goes on while the system is switched.
          restartIfChanged = false;
          serviceConfig = night.service // {
            ExecStart = night.script;
            DynamicUser = true;
            ProtectSystem = "strict";
            ProtectHome = true;
            PrivateTmp = true;
            PrivateDevices = true;
            ProtectKernelTunables = true;
            ProtectKernelModules = true;
            ProtectKernelLogs = true;
            ProtectControlGroups = true;
            ProtectClock = true;
            ProtectHostname = true;
            ProtectProc = "invisible";
            RestrictNamespaces = true;
            RestrictAddressFamilies = [
              "AF_UNIX"
              "AF_INET"
              "AF_INET6"
              "AF_NETLINK"
            ];
            CapabilityBoundingSet = "";
            SystemCallFilter = [
              "@system-service"
              "~@privileged"
              # git and tar set the owner that a file has already.
              "@chown"
            ];
            SystemCallErrorNumber = "EPERM";
          };
        };
      }

      (lib.mkIf (cfg.startAt != [ ]) {
        systemd.timers.flakesync = {
          description = "flakesync every night";
          wantedBy = [ "timers.target" ];
          timerConfig = night.timer;
        };
      })

      # The user of the service is made for each run, so a group that stays owns the folder.
      (lib.mkIf night.isPublic {
        users.groups.flakesync-report = { };
        systemd.tmpfiles.rules = [ "d ${cfg.report.dir} 2775 root flakesync-report - -" ];
        systemd.services.flakesync.serviceConfig = {
          SupplementaryGroups = [ "flakesync-report" ];
          ReadWritePaths = [ cfg.report.dir ];
        };
      })
    ]
  );
}
