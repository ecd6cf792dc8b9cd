"""A bundle into a static binary cache and bare repositories; every byte is checked."""
