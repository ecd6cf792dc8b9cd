"""What a bundle has: the sources of all locks, each once, and the commits of the repos."""
