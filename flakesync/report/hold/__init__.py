"""What is held, for people."""
