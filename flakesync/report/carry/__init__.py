"""What bundle and import have done, as text."""
