"""The example workspace: made real from `examples/`, and the whole pipeline shown on it."""
