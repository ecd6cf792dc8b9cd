"""flakesync: one nixpkgs, one update, tested together, landed in order."""

__version__ = "0.2.0"
