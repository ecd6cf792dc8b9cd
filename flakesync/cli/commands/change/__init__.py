"""Commands that write update branches."""
