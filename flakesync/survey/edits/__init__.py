"""The edits of flake.nix that the manifest asks for: which they are, and what was read with them made."""
