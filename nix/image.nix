# A container image in layers: flakesync with what it starts; fits pkgs.callPackage.
#
# Nix works as one user here, so /nix, /home/flakesync and /tmp have to be writable volumes where the root is read-only.
{
  dockerTools,
  flakesync,
  bash,
  cacert,
  coreutils,
  git,
  gnused,
  nix,
  openssh,
}:

dockerTools.buildLayeredImage {
  name = "flakesync";
  tag = flakesync.version;
  contents = [
    flakesync
    bash
    cacert
    coreutils
    git
    gnused
    nix
    openssh
    # ssh asks who the user is.
    dockerTools.fakeNss
  ];
  extraCommands = ''
    mkdir -p -m 1777 tmp
    mkdir -p -m 0777 home/flakesync
  '';
  # Nix then knows the paths that it finds in its store.
  includeNixDB = true;
  config = {
    Entrypoint = [ "/bin/flakesync" ];
    WorkingDir = "/home/flakesync";
    Env = [
      "HOME=/home/flakesync"
      # There are no users to build as.
      "NIX_CONFIG=build-users-group ="
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
      "NIX_SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
    ];
  };
}
