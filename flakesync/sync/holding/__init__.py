"""What sync does where the checks of a repo fail: it holds what breaks them, where the manifest wants it."""
