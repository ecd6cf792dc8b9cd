"""The `nix` program: its dialects, how it is run, what its errors mean."""
