"""What doctor has found, as text."""
