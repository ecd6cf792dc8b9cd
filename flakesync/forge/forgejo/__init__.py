"""Forgejo and Gitea: their API, and how they merge."""
