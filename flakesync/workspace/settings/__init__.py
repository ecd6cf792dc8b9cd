"""What groups of keys of workspace.toml say, a module each: the values and their reader."""
