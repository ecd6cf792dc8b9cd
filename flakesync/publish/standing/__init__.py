"""Where one update stands: read from branches and commits first, then asked of its forge."""
