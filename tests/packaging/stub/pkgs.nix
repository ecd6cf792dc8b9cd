# A stand-in for a nixpkgs: packages that are only names. What is misspelt in nix/ is missing here too.
{
  lib,
  system ? "x86_64-linux",
}:

let
  package =
    name:
    derivation {
      inherit name system;
      builder = "/bin/sh";
    }
    // {
      pname = name;
      version = "1";
      meta = { };
    };
  # What is asked for stays to be looked at.
  made =
    attrs:
    derivation {
      inherit system;
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      builder = "/bin/sh";
      # As in a real derivation, all of these have to be there.
      needed =
        builtins.concatMap (name: map toString (attrs.${name} or [ ])) [
          "build-system"
          "contents"
          "dependencies"
          "inputsFrom"
          "makeWrapperArgs"
          "nativeBuildInputs"
          "packages"
        ]
        ++ map (name: attrs.${name} or "") [
          "extraCommands"
          "postFixup"
          "postInstall"
          "text"
        ];
    }
    // {
      given = attrs;
      version = attrs.version or "1";
      meta = attrs.meta or { };
      inherit (attrs.passthru or { }) tests updateScript;
    };
  names = list: lib.genAttrs list package;

  callPackage =
    file: given:
    let
      function = if builtins.isFunction file then file else import file;
      wanted = builtins.intersectAttrs (builtins.functionArgs function) pkgs;
    in
    function (wanted // given);

  python3Packages =
    names [
      "gitpython"
      "hatchling"
      "httpx2"
      "hypothesis"
      "jinja2"
      "jsonschema"
      "msgspec"
      "mypy"
      "networkx"
      "pygit2"
      "pytest"
      "pytest-timeout"
      "pytest-xdist"
      "rich"
      "tomli"
      "tomli-w"
      "tree-sitter"
      "typer"
      "zstandard"
    ]
    // {
      tree-sitter-grammars = names [ "tree-sitter-nix" ];
      buildPythonApplication =
        make:
        let
          attrs = if builtins.isFunction make then make (attrs // { finalPackage = made attrs; }) else make;
        in
        made attrs;
    };

  pkgs =
    names [
      "bash"
      "cacert"
      "coreutils"
      "git"
      "gnumake"
      "gnused"
      "installShellFiles"
      "makeWrapper"
      "mandoc"
      "nix"
      "nixfmt"
      "openssh"
      "openssl"
      "ruff"
      "shellcheck"
    ]
    // {
      inherit lib callPackage python3Packages;
      nix-update-script = _: [ "nix-update" ];
      stdenv = {
        buildPlatform.canExecute = _: true;
        hostPlatform = {
          inherit system;
          isLinux = lib.hasSuffix "-linux" system;
        };
      };
      # A file that is there as soon as it is evaluated: nothing has to be built for it to be run.
      writeShellScript =
        name: text: builtins.toFile name "#!/bin/sh\n${builtins.unsafeDiscardStringContext text}";
      writeShellScriptBin = name: text: made { inherit name text; };
      runCommand =
        name: env: text:
        made {
          inherit name text;
        };
      mkShell = attrs: made (attrs // { name = "shell"; });
      testers.testVersion =
        { package, ... }:
        made {
          name = "version";
          inherit package;
        };
      dockerTools = {
        buildLayeredImage = attrs: made attrs;
        fakeNss = package "fake-nss";
      };
    };
in
pkgs
