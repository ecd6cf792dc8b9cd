"""Layouts: written, read, damaged."""
