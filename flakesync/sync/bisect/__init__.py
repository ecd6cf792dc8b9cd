"""Which of a repo's moves break its checks, and which rest passes: halve, confirm, and check the rest as a whole."""
