"""What flakesync has begun and has to end: child processes, temporary folders, and how all of it stops."""
