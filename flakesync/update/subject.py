"""The first line of an update commit, and the names in it: the manifest's template, filled in."""

from collections.abc import Sequence

from flakesync.errors import plain
from flakesync.terms import RepoName, Rev

USUAL = "flake.lock: Update"
"""Without a template: what Nix itself writes with --commit-lock-file."""

_SHORT = 7
_MOST_NAMES = 3
_MOST = 250


def make_subject(template: str | None, repo: RepoName, moved: Sequence[tuple[str, Rev]]) -> str:
    """Return the subject that a checked template gives: `{summary}` `{pin}` `{repo}`.

    moved: the pins that move, or without any the inputs, each with its new commit (empty: not known); of several the
    first three are named. The same moves give the same subject.
    """
    if template is None:
        return USUAL
    names = list(dict.fromkeys(name for name, _ in moved))
    named = joined(names[:_MOST_NAMES], len(names) - _MOST_NAMES)
    revs = {rev for _, rev in moved if rev}
    to = f" to {min(revs)[:_SHORT]}" if len(revs) == 1 else ""
    filled = template.format_map({"summary": f"update {named}{to}", "pin": named, "repo": repo})
    return " ".join(plain(filled).split())[:_MOST].rstrip()


def joined(names: Sequence[str], more: int) -> str:
    """Return `a`, `a and b`, `a, b and c`, `a, b, c and 2 more`; more: how many are not named, 0 or less for none."""
    *first, last = [*names, f"{more} more"] if more > 0 else names or [""]
    return f"{', '.join(first)} and {last}" if first else last
