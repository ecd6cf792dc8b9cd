"""What is known of branches whose newest commit has to be proven before inputs move to it."""

from collections.abc import Mapping

import msgspec

from flakesync.cooldown.decide import Decision
from flakesync.survey.pins import Target
from flakesync.terms import PinName, RepoName
from flakesync.workspace.inputs import Source


class Decisions(msgspec.Struct, frozen=True):
    """What was decided on branches whose newest commit has to be proven; empty where the manifest asks for nothing.

    pins, sources: of pins, and of sources that `external` moves. kept: targets of one repo alone: its update branch has
    the pin at a commit that nobody waited for, or that was decided on when that could be done, and stays there.
    """

    pins: Mapping[PinName, Decision] = msgspec.field(default_factory=dict)
    sources: Mapping[Source, Decision] = msgspec.field(default_factory=dict)
    kept: Mapping[tuple[RepoName, PinName], Target] = msgspec.field(default_factory=dict)
