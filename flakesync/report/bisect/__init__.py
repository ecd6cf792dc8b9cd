"""A bisection as text."""
