"""Pushes in a forge's list of what has happened: as many pages as it takes to get far enough back, within bounds."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated

import msgspec

from flakesync.forge.model import Push
from flakesync.nix.reference.flakeref import is_full_rev

MOST_PAGES = 10
"""A branch that is pushed to more often is one whose record of tips soon tells more."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time as the forges give it, with its zone."""

Event = tuple[int, Push | None]
"""When something happened, seconds since the epoch, and the push that it was; None: something else."""


def newest_pushes(events: Iterator[Event], page: int, *, since: int) -> list[Push]:
    """Return the pushes among events, newest first, on all the pages that it takes to get to `since`.

    page: how many events the forge gives at a time. What a page has beyond `since` was given anyway, and is told. What
    is no commit id is left out: ids get into locks and commands.
    """
    found: list[Push] = []
    for _ in range(MOST_PAGES):
        given = list(islice(events, page))
        found += [push for _, push in given if push is not None and is_full_rev(push.rev)]
        if len(given) < page or min(time for time, _ in given) < since:
            break
    return sorted(found, key=lambda push: push.time, reverse=True)


def seconds(moment: datetime) -> int:
    """Return a time in whole seconds since the epoch."""
    return int(moment.timestamp())
