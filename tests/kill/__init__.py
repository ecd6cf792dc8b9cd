"""A run of flakesync is cut off at every single thing that it, or a git of its, does to files or sends."""
