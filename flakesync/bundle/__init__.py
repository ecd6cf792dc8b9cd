"""Across an air gap: sources and commits into one bundle, and out of it."""
