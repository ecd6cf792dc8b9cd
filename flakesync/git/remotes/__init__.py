"""Other repositories: addresses and logins, fetch and push, mirrors, single commits in the cache."""
