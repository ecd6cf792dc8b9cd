"""Flake references: URL and attributes, input schemes, the repository and the source that they mean."""
