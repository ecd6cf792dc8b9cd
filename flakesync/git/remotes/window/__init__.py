"""The newest commits of a branch, without its files: fetched by depth, and what can be told by them alone."""
