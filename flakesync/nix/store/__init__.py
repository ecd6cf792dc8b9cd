"""What Nix makes of a source tree: its narHash, from git or from an archive."""
