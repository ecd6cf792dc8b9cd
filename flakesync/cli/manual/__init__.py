"""The help texts of the commands as values, and the man pages that are made of them."""
