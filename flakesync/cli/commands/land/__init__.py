"""Commands that get update branches out, and in."""
