"""What `flakesync move` answers, for people."""
