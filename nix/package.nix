# flakesync as nixpkgs builds Python programs; fits pkgs.callPackage.
{
  lib,
  stdenv,
  python3Packages,
  git,
  coreutils,
  gnused,
  installShellFiles,
  makeWrapper,
  nix-update-script,
  testers,
}:

python3Packages.buildPythonApplication (finalAttrs: {
  pname = "flakesync";
  # The one place that has it; lines, as a dot of a regular expression may not stand for the end of one.
  version =
    let
      lines = builtins.filter builtins.isString (
        builtins.split "\n" (builtins.readFile ../flakesync/__init__.py)
      );
      found = map (builtins.match "__version__ = \"([^\"]+)\"") lines;
    in
    builtins.head (builtins.head (builtins.filter (match: match != null) found));
  pyproject = true;

  src = lib.cleanSource ../.;

  build-system = [ python3Packages.hatchling ];

  dependencies = [
    python3Packages.gitpython
    python3Packages.httpx2
    python3Packages.jinja2
    python3Packages.msgspec
    python3Packages.networkx
    python3Packages.pygit2
    python3Packages.rich
    python3Packages.tomli
    python3Packages.tomli-w
    python3Packages.tree-sitter
    python3Packages.tree-sitter-grammars.tree-sitter-nix
    python3Packages.typer
    python3Packages.zstandard
  ];

  nativeBuildInputs = [
    installShellFiles
    makeWrapper
  ];

  # Nix is the one on the user's PATH: its version decides how locks are written.
  makeWrapperArgs = [
    "--prefix"
    "PATH"
    ":"
    (lib.makeBinPath [ git ])
  ];

  postInstall = ''
    install -D -m 755 examples/nightly/nightly.sh "$out/libexec/flakesync-nightly"
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    export HOME="$TMPDIR"
    for shell in bash zsh fish; do
      _FLAKESYNC_COMPLETE="source_$shell" "$out/bin/flakesync" >"flakesync.$shell"
    done
    installShellCompletion --cmd flakesync --bash flakesync.bash --zsh flakesync.zsh --fish flakesync.fish
    "$out/bin/flakesync" man --quiet man-pages
    installManPage man-pages/*
  '';

  postFixup = ''
    wrapProgram "$out/libexec/flakesync-nightly" --prefix PATH : "$out/bin:${
      lib.makeBinPath [
        coreutils
        gnused
      ]
    }"
  '';

  # The suite needs git, several versions of Nix, loopback servers and minutes; CI runs it.
  doCheck = false;
  pythonImportsCheck = [ "flakesync" ];

  passthru = {
    tests.version = testers.testVersion { package = finalAttrs.finalPackage; };
    updateScript = nix-update-script { };
  };

  meta = {
    description = "One nixpkgs, one update, tested together, landed in order: for organisations with many Nix flake repositories";
    license = lib.licenses.mit;
    mainProgram = "flakesync";
    platforms = lib.platforms.unix;
  };
})
