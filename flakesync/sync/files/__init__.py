"""What an update commit holds beside its locks: edited flake.nix files, and what commands of `after` write."""
