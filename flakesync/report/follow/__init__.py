"""What should follow: as text, and as patches."""
