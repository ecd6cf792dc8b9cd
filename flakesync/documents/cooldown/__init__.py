"""What documents say of cooldowns."""
