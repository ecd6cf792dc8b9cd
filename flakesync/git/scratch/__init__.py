"""Throw-away places to work in: worktrees, repositories that borrow objects, archives."""
