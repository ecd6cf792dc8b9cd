"""Sources that no server told anything of: they fail the repos that need them, and nobody else."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from flakesync.errors import FlakesyncError, first_of
from flakesync.survey.pins import PinnedInput
from flakesync.terms import PinName, RepoName
from flakesync.workspace.inputs import Source
from flakesync.workspace.snapshot import Snapshot, UnreadableRepo

_HINT = "with --offline the newest rev that any lock of the workspace holds is used"


class Unknown(msgspec.Struct, frozen=True):
    """Why the newest commit of some pins, and of some sources that are no pins, is not known."""

    pins: Mapping[PinName, FlakesyncError]
    sources: Mapping[Source, FlakesyncError]

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.pins or self.sources)


def without_undecided(snapshot: Snapshot, governed: Iterable[PinnedInput], unknown: Unknown) -> Snapshot:
    """Return a snapshot in which the repos that need an unknown source are unreadable, with why.

    Raises: FlakesyncError: that is every repo that can be read, or there is none, so nothing is left to decide; or a
        pin that is unknown governs nothing, so that no repo would say it.
    """
    governed = tuple(governed)
    readable = {name for name, state in snapshot.states.items() if not isinstance(state, UnreadableRepo)}
    needed = {item.pin.name for item in governed}
    unneeded = [error for name, error in unknown.pins.items() if name not in needed]
    # Who needs it may be one that could not be read, and says why itself; where none could, it is one error for all.
    if unneeded and len(readable) in (0, len(snapshot.states)):
        raise first_of(unneeded, hint=_HINT)
    needing = dict(_needing(snapshot, governed, unknown))
    if not needing:
        return snapshot
    if readable <= needing.keys():
        raise first_of([*unknown.pins.values(), *unknown.sources.values()], hint=_HINT)
    states = {
        name: UnreadableRepo(state.repo, state.repo.base, needing[name]) if name in needing else state
        for name, state in snapshot.states.items()
    }
    return msgspec.structs.replace(snapshot, states=states)


def _needing(
    snapshot: Snapshot, governed: Iterable[PinnedInput], unknown: Unknown
) -> Iterator[tuple[RepoName, FlakesyncError]]:
    for name, state in snapshot.states.items():
        for flake in state.flakes:
            for item in flake.inputs:
                if item.source is not None and item.source in unknown.sources and not item.fixed:
                    yield name, unknown.sources[item.source]
    for pinned in governed:
        if pinned.pin.name in unknown.pins and not pinned.fixed:
            yield pinned.repo, _of_pin(pinned.pin.name, unknown.pins[pinned.pin.name])


def _of_pin(name: PinName, error: FlakesyncError) -> FlakesyncError:
    return FlakesyncError(error.code, f"the target of pin {name} is not known: {error.message}", hint=error.hint)
