"""What happened at acme: the history of the example repositories, from the first commit to the day of the demo.

Locks are written when a repo was locked at the time, so they drift apart as they do in real life: by nobody looking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flakesync.terms import FlakeDir, RepoName

LAST_DAY = date(2026, 2, 3)
"""The day of the last commit, if none is given: the locks in `examples/` are of that day."""

_DAYS = 64
_MORNING = time(9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One commit. version: what its flake.nix calls itself. locked: the flakes whose locks were made anew for it.

    A branch that does not exist yet begins at the repo's first branch, as that was at the time.
    """

    moment: datetime
    repo: RepoName
    branch: str
    version: str
    message: str
    locked: tuple[FlakeDir, ...]


# day | repo@branch | version | message | flakes whose locks are made anew; {day} stands for the date
_STORY = """
 0 | nixpkgs@nixos-25.11    | 25.11.{day}    | nixos-25.11: {day}                 |
 1 | style@main             | 1.0            | Colours and fonts                  | .
 1 | lib@main               | 1.0            | The functions we kept copying      | .
 7 | nixpkgs@nixos-unstable | 26.05.{day}    | nixos-unstable: {day}              |
14 | nixpkgs@nixos-25.11    | 25.11.{day}    | nixos-25.11: {day}                 |
15 | core@main              | 1.0            | One core for all services          | . dev
16 | docs-theme@main        | 1.0            | A theme from the house style       | .
17 | api@main               | 1.0            | The service                        | .
18 | cli@main               | 1.0            | A command line for the service     | .
18 | site@main              | 0.9            | A page that says: soon             | .
20 | api@stable             | 1.0.1          | A shorter timeout for the release  |
35 | nixpkgs@nixos-25.11    | 25.11.{day}    | nixos-25.11: {day}                 |
36 | core@main              | 1.1            | Retry what failed for a moment     |
37 | lib@main               | 1.1            | Add mapNames                       |
38 | lib@main               | 1.2            | mapNames: keep the order           |
42 | nixpkgs@nixos-unstable | 26.05.{day}    | nixos-unstable: {day}              |
49 | nixpkgs@nixos-25.11    | 25.11.{day}    | nixos-25.11: {day}                 |
50 | lib@main               | 1.3            | Update the lock, add mergeAll      | .
51 | docs-theme@main        | 1.1            | Update the lock, wider tables      | .
52 | fleet@main             | 1.0            | Two machines to begin with         | .
53 | api@main               | 2.0            | Update the lock, new paths         | .
54 | site@main              | 1.0            | Update the lock, real content      | .
56 | nixpkgs@nixos-unstable | 26.05.{day}    | nixos-unstable: {day}              |
58 | api@stable             | 1.0.2          | Answer 404 instead of 500          |
60 | api@stable             | 1.0.3          | Close idle connections             |
63 | nixpkgs@nixos-25.11    | 25.11.{day}    | nixos-25.11: {day}                 |
64 | style@main             | 1.1            | Update the lock, a darker ink      | .
"""


def steps(last_day: date = LAST_DAY) -> Iterator[Step]:
    """Give every commit in the order of time; the last ones leave each repo as its folder in `examples/` is."""
    for number, row in enumerate(_STORY.strip().splitlines()):
        day, place, version, message, locked = (part.strip() for part in row.split("|"))
        repo, _, branch = place.partition("@")
        date_of = last_day - timedelta(days=_DAYS - int(day))
        yield Step(
            moment=datetime.combine(date_of, _MORNING) + timedelta(minutes=7 * number),
            repo=RepoName(repo),
            branch=branch,
            version=version.format(day=f"{date_of:%Y%m%d}"),
            message=message.format(day=date_of),
            locked=tuple(FlakeDir(word) for word in locked.split()),
        )
