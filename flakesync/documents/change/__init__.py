"""Documents of commands that change something, where `documents/` itself is full."""
