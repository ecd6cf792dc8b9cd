"""What is wrong or poisoned in a lock: rules, what they look at, and what is done with what they find."""
