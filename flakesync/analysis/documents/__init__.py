"""Decisions as documents: one function each."""
