"""The keys of workspace.toml in one table, and the JSON Schema that editors read."""
