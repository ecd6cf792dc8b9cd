"""Rules on the state of a lock: its age, whether it can be read, whether flake.nix agrees with it."""
