"""What happens in a run, for whoever shows it: of `sync`, `publish` and `land`, each with its own results."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from flakesync.terms import RepoName

Result = TypeVar("Result")
_Result_co = TypeVar("_Result_co", covariant=True)


class Started(msgspec.Struct, frozen=True):
    """Work on a repo has begun."""

    repo: RepoName


class Step(msgspec.Struct, frozen=True):
    """A repo has come to a step that can take long: `locking`, `checking`. detail: e.g. the check."""

    repo: RepoName
    step: str
    detail: str = ""


class Note(msgspec.Struct, frozen=True):
    """Something that a person should know and that stops nothing."""

    text: str


class Finished(msgspec.Struct, Generic[_Result_co], frozen=True):
    """Work on a repo has ended, one way or another; a landing may come back to it.

    done, total: of the repos of the run; total 0: they are not counted.
    """

    repo: RepoName
    result: _Result_co
    done: int = 0
    total: int = 0


Progress = Started | Step | Note
"""What happens to a repo on its way, whatever the command."""

Event = Started | Step | Note | Finished[Result]
Listener = Callable[[Event[Result]], None]


class Relay:
    """A listener that hands on what it is told; a process that was forked lets it tell its parent."""

    def __init__(self, to: "Callable[[Progress], None]") -> None:
        """to: whom it tells; another one may be put in its place."""
        self.to = to

    def __call__(self, event: Progress) -> None:
        """Hand on what has happened."""
        self.to(event)
