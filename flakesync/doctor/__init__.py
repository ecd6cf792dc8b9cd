"""What will fail tonight: versions, settings, tokens, caches, clocks, looked at beforehand."""
