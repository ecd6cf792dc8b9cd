"""The answer of `flakesync report`: what was written, and how the workspace stands."""
