"""flake.nix: its inputs, read without evaluating anything."""
