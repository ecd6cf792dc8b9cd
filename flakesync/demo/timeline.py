"""What happened at acme: the history of the example repositories, from the first commit to the day of the demo.

Locks are written when a repo was locked at the time, so they drift apart as they do in real life: by nobody looking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flakesync.terms import FlakeDir, RepoName

_BEGIN = datetime(2025, 12, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One commit. version: what its flake.nix calls itself. locked: the flakes whose locks were made anew for it.

    A branch that does not exist yet begins at the repo's first branch, as that was at the time.
    """

    time: datetime
    repo: RepoName
    branch: str
    version: str
    message: str
    locked: tuple[FlakeDir, ...]


# day | repo@branch | version | message | flakes whose locks are made anew
_STORY = """
 0 | nixpkgs@nixos-25.11    | 25.11.20251201 | nixos-25.11: 2025-12-01            |
 1 | style@main             | 1.0            | Colours and fonts                  | .
 1 | lib@main               | 1.0            | The functions we kept copying      | .
 7 | nixpkgs@nixos-unstable | 26.05.20251208 | nixos-unstable: 2025-12-08         |
14 | nixpkgs@nixos-25.11    | 25.11.20251215 | nixos-25.11: 2025-12-15            |
15 | core@main              | 1.0            | One core for all services          | . dev
16 | docs-theme@main        | 1.0            | A theme from the house style       | .
17 | api@main               | 1.0            | The service                        | .
18 | cli@main               | 1.0            | A command line for the service     | .
18 | site@main              | 0.9            | A page that says: soon             | .
20 | api@stable             | 1.0.1          | A shorter timeout for the release  |
35 | nixpkgs@nixos-25.11    | 25.11.20260105 | nixos-25.11: 2026-01-05            |
36 | core@main              | 1.1            | Retry what failed for a moment     |
37 | lib@main               | 1.1            | Add mapNames                       |
38 | lib@main               | 1.2            | mapNames: keep the order           |
42 | nixpkgs@nixos-unstable | 26.05.20260112 | nixos-unstable: 2026-01-12         |
49 | nixpkgs@nixos-25.11    | 25.11.20260119 | nixos-25.11: 2026-01-19            |
50 | lib@main               | 1.3            | Update the lock, add mergeAll      | .
51 | docs-theme@main        | 1.1            | Update the lock, wider tables      | .
52 | fleet@main             | 1.0            | Two machines to begin with         | .
53 | api@main               | 2.0            | Update the lock, new paths         | .
54 | site@main              | 1.0            | Update the lock, real content      | .
56 | nixpkgs@nixos-unstable | 26.05.20260126 | nixos-unstable: 2026-01-26         |
58 | api@stable             | 1.0.2          | Answer 404 instead of 500          |
60 | api@stable             | 1.0.3          | Close idle connections             |
63 | nixpkgs@nixos-25.11    | 25.11.20260202 | nixos-25.11: 2026-02-02            |
64 | style@main             | 1.1            | Update the lock, a darker ink      | .
"""


def steps() -> Iterator[Step]:
    """Give every commit in the order of time; the last ones leave each repo as its folder in `examples/` is."""
    for minute, line in enumerate(_STORY.strip().splitlines()):
        day, place, version, message, locked = (part.strip() for part in line.split("|"))
        repo, _, branch = place.partition("@")
        time = _BEGIN + timedelta(days=int(day), minutes=7 * minute)
        yield Step(time, RepoName(repo), branch, version, message, tuple(FlakeDir(word) for word in locked.split()))
