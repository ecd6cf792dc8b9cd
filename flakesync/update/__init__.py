"""What an update branch holds, made or read back: commit, trailers, content, difference, reuse of checks."""
