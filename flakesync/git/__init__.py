"""Everything that knows git: refs, objects, history, commits, worktrees, remotes, mirrors."""
