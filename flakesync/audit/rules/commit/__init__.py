"""Rules on whether the commit and its content are what the lock says."""
