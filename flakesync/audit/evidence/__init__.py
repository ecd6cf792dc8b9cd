"""What servers and forges say of what is locked: asked before the rules run, which only compare."""
