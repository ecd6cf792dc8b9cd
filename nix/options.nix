# The options of services.flakesync, one list for NixOS and home-manager (nixos.nix, home.nix).
{ lib, pkgs }:

let
  inherit (lib) types mkOption;

  # Only what a unit, a tmpfiles rule and a shell all take without quotes.
  file = types.strMatching "/[-A-Za-z0-9_.+@/]*";
  forge = "(github|gitlab):[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(/[A-Za-z0-9_][A-Za-z0-9_./-]*)?";
  # A login has no password here: it would be in the store, which everybody can read.
  git = "git[+](https|ssh|file)://([A-Za-z0-9_.-]+@)?[A-Za-z0-9_.:%~/-]+([?]ref=[A-Za-z0-9_][A-Za-z0-9_./-]*)?";
in
{
  enable = lib.mkEnableOption "a run of flakesync every night";

  package = mkOption {
    type = types.package;
    default = pkgs.callPackage ./package.nix { };
    defaultText = lib.literalMD "the flakesync that this module comes with";
    description = "The flakesync that runs.";
  };

  workspace = mkOption {
    type = types.either types.path (types.strMatching "${forge}|${git}");
    example = "git+ssh://git@gitlab.example.com/acme/workspace";
    description = ''
      Where workspace.toml is: a folder, or a repository, written as Nix writes flakes (`github:OWNER/REPO`,
      `git+https://…`, `git+ssh://…`, a branch by `/BRANCH` or `?ref=BRANCH`). A repository is cloned into the folder of
      states and pulled before each night. Its repos are best listed by `url` alone: clones named by `path` would have
      to be writable for the service.
    '';
  };

  startAt = mkOption {
    type = types.either types.str (types.listOf types.str);
    default = "*-*-* 03:17:00";
    example = [
      "Mon..Fri 03:17:00"
      "Mon..Fri 13:17:00"
    ];
    description = ''
      When, as calendar events of systemd; an empty list: only by hand. A night that was missed, because the machine was
      off, is made up for, and begins up to ten minutes later, so that not all machines ask a forge at once.
    '';
  };

  steps = mkOption {
    type = types.listOf (
      types.enum [
        "sync"
        "publish"
        "land"
        "drift"
        "report"
      ]
    );
    default = [
      "sync"
      "publish"
      "drift"
      "report"
    ];
    description = "The steps of a night. With `land`, what people have merged is followed upstream first.";
  };

  report.dir = mkOption {
    type = types.nullOr file;
    default = null;
    example = "/srv/www/flakes";
    description = ''
      The folder that the report page is written to, readable for everybody, as for a web server. The page names every
      repo of the workspace. null: `report` in the folder of states, for the service's user alone.
    '';
  };

  credentials = mkOption {
    type = types.attrsOf file;
    default = { };
    example = {
      GITHUB_TOKEN = "/run/secrets/flakesync-github";
    };
    description = ''
      Variable → file with its value. systemd reads the files, so root alone needs to be able to; the values are in the
      environment of flakesync and nowhere else. A file in the Nix store is refused: everybody can read it.
    '';
  };

  sshKeyFile = mkOption {
    type = types.nullOr file;
    default = null;
    example = "/run/secrets/flakesync-ssh";
    description = ''
      A private ssh key without a passphrase, for `git+ssh` addresses, handed on like the credentials. The keys of the
      servers have to be known: `programs.ssh.knownHosts` on NixOS, `~/.ssh/known_hosts` with home-manager.
    '';
  };

  nixConfig = mkOption {
    type = types.attrsOf (
      types.oneOf [
        types.bool
        types.int
        types.str
        (types.listOf types.str)
      ]
    );
    default = { };
    example = {
      extra-substituters = [ "https://cache.example.com" ];
    };
    description = "Settings of Nix for the night (NIX_CONFIG). Access tokens are credentials and do not belong here.";
  };

  extraArgs = mkOption {
    type = types.listOf types.str;
    default = [ ];
    example = [
      "--history"
      "https://flakes.example.com/history.jsonl"
    ];
    description = "Further arguments of flakesync-nightly.";
  };
}
