"""Pull requests get in, upstream first."""
