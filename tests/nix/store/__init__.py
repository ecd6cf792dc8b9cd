"""What Nix makes of a source: NARs, store paths, caches."""
