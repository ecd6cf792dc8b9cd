# What both modules make of the options: the script of a night, the parts of the units that are the same, the assertions.
#
# path: the programs of the night beside flakesync. homes: folders whose contents the service cannot see.
# exports: lines of shell that say where the service keeps things.
{
  lib,
  pkgs,
  cfg,
  path,
  exports ? "",
  homes ? [ ],
}:

let
  inherit (lib)
    concatStringsSep
    escapeShellArg
    escapeShellArgs
    optionalString
    ;

  variables = builtins.attrNames cfg.credentials;

  # Values are read where they are used: no unit, no argument and no file of the store has them.
  credential = name: ''
    ${name}=$(cat "$CREDENTIALS_DIRECTORY/${name}")
    export ${name}
  '';

  ssh = ''
    export GIT_SSH_COMMAND="ssh -i '$CREDENTIALS_DIRECTORY/ssh-key' -oIdentitiesOnly=yes -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=20"
  '';

  setting =
    name: value:
    if builtins.isBool value then
      "${name} = ${if value then "true" else "false"}"
    else if builtins.isList value then
      "${name} = ${concatStringsSep " " value}"
    else
      "${name} = ${toString value}";
  settings = concatStringsSep "\n" (builtins.attrValues (builtins.mapAttrs setting cfg.nixConfig));
  # A credential NIX_CONFIG, with access tokens, is added to the settings.
  nixConfig = ''
    NIX_CONFIG=${escapeShellArg settings}"
    ''${NIX_CONFIG-}"
    export NIX_CONFIG
  '';

  # The servers that flakesync knows by itself (net/forge_kinds.py), the user that goes with a token, its variables.
  forgejo = {
    user = "token";
    variables = [
      "FORGEJO_TOKEN"
      "GITEA_TOKEN"
    ];
  };
  logins = {
    "github.com" = {
      user = "x-access-token";
      variables = [
        "GITHUB_TOKEN"
        "GH_TOKEN"
      ];
    };
    "gitlab.com" = {
      user = "oauth2";
      variables = [ "GITLAB_TOKEN" ];
    };
    "codeberg.org" = forgejo;
    "gitea.com" = forgejo;
  };
  login =
    host:
    let
      given = builtins.filter (name: builtins.elem name variables) logins.${host}.variables;
    in
    if given == [ ] then
      [ ]
    else
      # The empty one first: no other helper answers, and none is given the token to keep.
      [
        "-c"
        "credential.https://${host}.helper="
        "-c"
        "credential.https://${host}.helper=!f() { test \"$1\" = get && printf 'username=${logins.${host}.user}\\npassword=%s\\n' \"\$${builtins.head given}\"; }; f"
      ];
  git = escapeShellArgs ([ "git" ] ++ builtins.concatMap login (builtins.attrNames logins));

  # Nix's way to write a repository → what git takes. null: it is a folder.
  repository =
    let
      text = toString cfg.workspace;
      forge = builtins.match "(github|gitlab):([^/]+/[^/]+)(/(.+))?" text;
      other = builtins.match "git[+]([^?]+)([?]ref=(.+))?" text;
    in
    if forge != null then
      {
        url = "https://${builtins.elemAt forge 0}.com/${builtins.elemAt forge 1}";
        branch = builtins.elemAt forge 3;
      }
    else if other != null then
      {
        url = builtins.elemAt other 0;
        branch = builtins.elemAt other 2;
      }
    else
      null;

  # Another repository or branch is another folder; a clone that was cut off is begun again.
  clone =
    let
      place = "workspace-${
        builtins.substring 0 8 (builtins.hashString "sha256" (builtins.toJSON repository))
      }";
      branch = optionalString (repository.branch != null) "--branch ${escapeShellArg repository.branch} ";
    in
    ''
      workspace=$STATE_DIRECTORY/${place}
      if [ -d "$workspace" ]; then
        ${git} -C "$workspace" pull --quiet --ff-only ||
          echo "flakesync: the workspace could not be pulled; this night goes by what is there" >&2
      else
        rm -rf "$workspace.part"
        ${git} clone --quiet ${branch}-- ${escapeShellArg repository.url} "$workspace.part" || exit 2
        mv "$workspace.part" "$workspace"
      fi
    '';

  # An interpolated path is copied to the store, as a workspace beside the configuration should be.
  folder = "workspace=${escapeShellArg "${cfg.workspace}"}";

  makesReport = builtins.elem "report" cfg.steps;
  isPublic = makesReport && cfg.report.dir != null;

  night = "${cfg.package}/libexec/flakesync-nightly ${
    escapeShellArgs [
      "--steps"
      (concatStringsSep " " cfg.steps)
    ]
  } --workspace \"$workspace\"${optionalString makesReport " --report \"$report\""} ${escapeShellArgs cfg.extraArgs}";

  # Not the folder, which another may own. A file that cannot be changed is of an earlier night's user, and open already.
  openReport = ''chmod g+rw,o+r "$report"/* 2>/dev/null || true'';

  inStore = name: lib.hasPrefix "${builtins.storeDir}/" name;
  # Interpolated: a path beside the configuration is seen in the store, wherever the configuration lies.
  inHome = name: builtins.any (home: lib.hasPrefix "${home}/" "${name}/") homes;
  files =
    lib.mapAttrsToList (name: value: { inherit name value; }) cfg.credentials
    ++ lib.optional (cfg.sshKeyFile != null) {
      name = "sshKeyFile";
      value = cfg.sshKeyFile;
    };
in
{
  inherit isPublic;

  script = pkgs.writeShellScript "flakesync-night" ''
    set -eu
    export PATH=${escapeShellArg (lib.makeBinPath path)}:"$PATH"
    export GIT_TERMINAL_PROMPT=0
    ${exports}
    ${concatStringsSep "" (map credential variables)}
    ${optionalString (cfg.sshKeyFile != null) ssh}
    ${optionalString (cfg.nixConfig != { }) nixConfig}
    ${if repository != null then clone else folder}
    cd "$STATE_DIRECTORY"
    ${optionalString makesReport ''
      report=${if isPublic then escapeShellArg cfg.report.dir else "$STATE_DIRECTORY/report"}
      (umask ${if isPublic then "022" else "077"} && mkdir -p "$report")
    ''}
    status=0
    ${night} || status=$?
    ${optionalString isPublic openReport}
    exit "$status"
  '';

  # Only what a manager of services without privileges can do too.
  service = {
    Type = "oneshot";
    # 4: something waits for checks or people. 1 is a failed unit, so that OnFailure= tells of it.
    SuccessExitStatus = 4;
    StateDirectory = "flakesync";
    StateDirectoryMode = "0700";
    CacheDirectory = "flakesync";
    CacheDirectoryMode = "0700";
    LoadCredential =
      map (name: "${name}:${cfg.credentials.${name}}") variables
      ++ lib.optional (cfg.sshKeyFile != null) "ssh-key:${cfg.sshKeyFile}";
    TimeoutStartSec = "3h";
    # What runs is ended, and the worktrees are removed, before anything is killed.
    TimeoutStopSec = "2min";
    Nice = 10;
    IOSchedulingClass = "idle";
    UMask = "0077";
    NoNewPrivileges = true;
    LockPersonality = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
  };

  timer = {
    OnCalendar = cfg.startAt;
    Persistent = true;
    RandomizedDelaySec = "10m";
  };

  assertions = [
    {
      assertion = cfg.steps != [ ];
      message = "services.flakesync.steps is empty: a night without a step does nothing.";
    }
    {
      assertion = !(cfg.nixConfig ? access-tokens || cfg.nixConfig ? extra-access-tokens);
      message = "services.flakesync.nixConfig is in the Nix store, which everybody can read: give access tokens as credentials.NIX_CONFIG, a file with `access-tokens = …`.";
    }
    {
      assertion =
        builtins.match ".*\n.*" (
          concatStringsSep "" (builtins.attrValues (builtins.mapAttrs setting cfg.nixConfig))
        ) == null;
      message = "services.flakesync.nixConfig: a value has more than one line.";
    }
    {
      assertion = repository != null || !(inHome cfg.workspace);
      message = "services.flakesync.workspace is in a home folder, which the service cannot see: name a repository, or a folder elsewhere.";
    }
    {
      assertion = !(isPublic && inHome cfg.report.dir);
      message = "services.flakesync.report.dir is in a home folder, which the service cannot see.";
    }
  ]
  ++ map (name: {
    assertion = builtins.match "[A-Za-z_][A-Za-z0-9_]*" name != null;
    message = "services.flakesync.credentials: ${builtins.toJSON name} is no name of a variable.";
  }) variables
  ++ map (each: {
    assertion = !(inStore each.value);
    message = "services.flakesync: the file of ${each.name} is in the Nix store, which everybody can read: name one outside of it, such as /run/secrets/…, as a string.";
  }) files;
}
