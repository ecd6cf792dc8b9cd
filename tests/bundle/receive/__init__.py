"""Bundles that are taken in: whole, damaged, cut off, hostile."""
