"""Carries a plan out: the one part that starts Nix and writes to repositories."""
