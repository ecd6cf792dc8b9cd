"""What Nix defines: flake references, locks, and running `nix`."""
