"""The cache folder: where everything is kept, how a file gets there, and locks between processes."""
