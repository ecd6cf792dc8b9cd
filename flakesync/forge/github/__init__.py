"""GitHub: its API, REST and GraphQL, and how it merges."""
