"""A mirror after many nights: its remote has moved on, and update branches have come and gone."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from flakesync.git.remotes.mirror import mirror
from flakesync.git.repository import Repository
from flakesync.git.values import Signature
from flakesync.terms import Rev
from tests.support.repos import DATE, commit, make_bare

BOT = Signature("Bot", "bot@x", 1_700_000_000)
UPDATE = "refs/heads/flakesync/update"
DAY_S = 86_400


@dataclass
class Grown:
    """The mirror, its remote and its cache. update: the commit of the update branch, which nobody has pushed."""

    path: Path
    remote: Path
    cache: Path
    update: Rev

    def fetch(self) -> None:
        """Bring the mirror up to date."""
        mirror(str(self.remote), self.cache, offline=False)

    def files(self) -> int:
        """Return of how many files the mirror's objects and refs consist."""
        return sum(1 for top in ("objects", "refs") for each in (self.path / top).rglob("*") if each.is_file())

    def let_pass(self, days: float) -> None:
        """Make everything in the mirror so much older."""
        for file in self.path.rglob("*"):
            if file.is_file():
                age(file, days)


def age(file: Path, days: float) -> None:
    """Make a file look as if it was written so many days ago."""
    then = time.time() - days * DAY_S
    os.utime(file, (then, then))


def make_grown(root: Path, nights: int, commits: int = 20) -> Grown:
    """Return the mirror of a repository that has had some commits each night, and an update made on top of them."""
    remote, cache = root / "acme/lib.git", root / "cache"
    make_bare(remote, {"flake.lock": "{}"}, branch="trunk")
    path = mirror(str(remote), cache, offline=False)
    grown = Grown(path, remote, cache, Rev(""))
    for night in range(nights):
        for number in range(commits):
            commit(remote, {f"src/{number}": f"{night}"}, date=DATE + (night * 100 + number) * 60)
        grown.fetch()
        grown.update = make_update(path, f"{night}")
    return grown


def make_update(path: Path, content: str) -> Rev:
    """Put an update commit on the base into a mirror, in the place of the one that is there."""
    with Repository.open(path) as repo:
        base = repo.branch("trunk")
        assert base is not None
        files = {"flake.lock": content.encode()}
        rev = repo.write_commit(parents=[base], base_tree_of=base, files=files, message="m", author=BOT, committer=BOT)
        repo.update_ref(UPDATE, rev, old=repo.ref(UPDATE), message="m")
    return rev
