"""Native against real Nix, byte for byte, on random workspaces.

FLAKESYNC_FIDELITY is the number of workspaces for each version (2 by default, 500 in CI; `make fidelity` takes 5,000).
"""

import os
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.nix.program.command import Nix
from flakesync.sync.lockers import Locker, Request
from flakesync.sync.lockers.native.dialects import NIX_2_8, NIX_2_26, NIX_2_34
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import Dialect, NotNativeError
from flakesync.sync.lockers.nix import NixLocker
from tests.fidelity.graphs import World
from tests.support.nix import RealNix

GRAPHS = int(os.environ.get("FLAKESYNC_FIDELITY", "2"))
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
_CHUNK = 5
FIRST_LOCKS = (2, 26)
"""Where nothing tells what to write like, flakesync writes as Nix does from here on."""


@pytest.mark.slow_between
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("first", range(FIRST, FIRST + GRAPHS, _CHUNK))
def test_native_writes_what_nix_writes(nix: RealNix, tmp_path: Path, first: int) -> None:
    locker = NixLocker(Nix.find())
    seeds = range(first, min(first + _CHUNK, FIRST + GRAPHS))
    compared = sum(_compare(seed, tmp_path / str(seed), nix, locker) for seed in seeds)
    assert compared > 0 or GRAPHS < _CHUNK


def _compare(seed: int, folder: Path, nix: RealNix, real: Locker) -> int:
    """Compare on one workspace and return how many locks were equal."""
    folder.mkdir()
    world = World(seed, folder / "space", nix)
    names = world.build()
    if nix.version >= FIRST_LOCKS:
        for flake, of_nix, own in world.first:
            assert own is None or own.decode() == of_nix.decode(), f"seed {seed}, first lock of {flake}"
    sources = Sources({}, (), folder / "cache")
    native = NativeLocker(sources)
    told_dialect = NativeLocker(sources, [_dialect(nix)])
    equal = 0
    for name in names:
        request = world.request(name)
        if request is None:
            continue
        mine, theirs = (_lock(locker, request) for locker in (native, real))
        if isinstance(mine, NotNativeError) and _is_undecided(world, mine):
            mine = _lock(told_dialect, request)
        told = f"seed {seed}, {name}, nix {nix.full_version}, moves {[move.input for move in request.moves]}"
        if isinstance(mine, NotNativeError):
            assert isinstance(theirs, FlakesyncError) or _may_refuse(world, name, mine), f"{told}: {mine.message}"
        else:
            assert not isinstance(theirs, FlakesyncError), f"{told}: Nix refuses what native writes: {theirs}"
            assert not isinstance(mine, FlakesyncError), f"{told}: {mine}"
            assert mine.decode() == theirs.decode(), told
            equal += 1
    return equal


def _is_undecided(world: World, error: NotNativeError) -> bool:
    """Tell whether it is refused for want of anything that tells which Nix has written the lock, and that matters."""
    words = ("write different locks", "has its reference from another flake")
    if "Nix up to 2.18 does not find" in error.reason:
        return True
    return (world.overrides or world.relative) and any(each in error.reason for each in words)


def _dialect(nix: RealNix) -> Dialect:
    return NIX_2_8 if nix.version < (2, 10) else NIX_2_34 if nix.version >= (2, 31) else NIX_2_26


def _may_refuse(world: World, name: str, error: NotNativeError) -> bool:
    """Tell whether flake.nix and flake.lock disagree there, or those of an upstream, so that Nix asks its HEAD.

    Or nothing tells which Nix has written the lock, and that matters because of an override, or a stale lock above.
    """
    if "write different locks" in error.reason or "writes the reference" in error.reason:
        return bool(world.refused) or world.overrides
    if "has its reference from another flake" in error.reason:
        return world.overrides and world.nix.version == (2, 8)
    if "leads to now" in error.reason:
        # What lies below a relative input of another repo is not taken from its lock, whose `parent` is another; and
        # Nix locks anew what follows another input in the lock of its flake and does not here.
        return bool(world.refused) or world.overrides or world.relative or world.through
    if "in another flake" in error.reason:
        return world.relative
    return name in world.refused


def _lock(locker: Locker, request: Request) -> bytes | FlakesyncError:
    try:
        return locker.lock(request).to_bytes()
    except FlakesyncError as error:
        return error
