"""GitLab: its API, and how it merges."""
