"""Inputs that are a path relative to their flake, moved by both lockers, byte for byte, as each Nix does it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from flakesync.errors import FlakesyncError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix
from flakesync.sync.lockers import FromServer, Locker, Move, Request
from flakesync.sync.lockers.native.dialects import DIALECTS, NIX_2_26, NIX_2_34
from flakesync.sync.lockers.native.locker import NativeLocker
from flakesync.sync.lockers.native.sources import Sources
from flakesync.sync.lockers.native.values import NotNativeError
from flakesync.sync.lockers.nix import NixLocker
from flakesync.terms import FlakeDir, InputPath, Rev
from tests.support import repos
from tests.support.nix import RealNix

LIB = 'lib.url = "git+file://{root}/lib?ref=main";'
X = 'x.url = "git+file://{root}/x?ref=main";'
SUB = 'sub.url = "path:./sub";'
FOLLOWS = 'sub.inputs.lib.follows = "lib";'

# Folder → the inputs of its flake; then the flakes that are locked, in this order, and what is moved in the last one.
SHAPES: Mapping[str, tuple[Mapping[str, str], tuple[str, ...], tuple[InputPath, ...]]] = {
    "beside": ({"": SUB + LIB, "sub": LIB}, ("",), (("lib",),)),
    "below": ({"": SUB + LIB, "sub": LIB}, ("",), (("sub", "lib"),)),
    "both": ({"": SUB + LIB, "sub": LIB}, ("",), (("lib",), ("sub", "lib"))),
    "own-lock": ({"": SUB + LIB, "sub": LIB}, ("sub", ""), (("sub", "lib"),)),
    "follows-ours": ({"": SUB + FOLLOWS + LIB, "sub": LIB}, ("",), (("lib",),)),
    "follows-its-own": ({"": SUB + LIB, "sub": LIB + 'same.follows = "lib";'}, ("",), (("lib",),)),
    "followed": ({"": SUB + 'lib.follows = "sub/lib";', "sub": LIB}, ("",), (("sub", "lib"),)),
    "without-dot": ({"": 'sub.url = "path:sub";' + LIB, "sub": LIB}, ("",), (("sub", "lib"),)),
    "as-text": ({"": 'sub.url = "./sub";' + LIB, "sub": LIB}, ("",), (("sub", "lib"),)),
    "without-quotes": ({"": "sub.url = ./sub;" + LIB, "sub": LIB}, ("",), (("sub", "lib"),)),
    "up-without-quotes": ({"": LIB, "a/dev": "up.url = ../..;"}, ("", "a/dev"), (("up", "lib"),)),
    "deep": (
        {"": SUB + LIB, "sub": 'inner.url = "path:./inner";', "sub/inner": LIB}, ("",), (("sub", "inner", "lib"),),
    ),
    "over-there": (
        {"": SUB + LIB, "sub": 'other.url = "path:../other";' + LIB, "other": LIB}, ("",),
        (("sub", "other", "lib"), ("sub", "lib")),
    ),
    "parent": ({"": LIB, "dev": 'up.url = "path:..";'}, ("", "dev"), (("up", "lib"),)),
    "parent-followed": (
        {"": LIB, "dev": 'up.url = "path:../";up.inputs.lib.follows = "lib";' + LIB}, ("", "dev"), (("lib",),),
    ),
    "no-flake": ({"": 'data = { url = "path:./sub"; flake = false; };' + LIB, "sub": ""}, ("",), (("lib",),)),
}  # fmt: skip


def lockers(nix: RealNix, cache: Path) -> tuple[Locker, Locker]:
    native = NativeLocker(Sources({}, (), cache), DIALECTS["nix-2.8" if nix.version == (2, 8) else "nix-2.26+"])
    return NixLocker(Nix.find()), native


def make(nix: RealNix, root: Path, name: str, flakes: Mapping[str, str], order: tuple[str, ...]) -> Request | None:
    """Make a repository, lock its flakes in this order, and return a request for the last; None: Nix refuses."""
    folder = root / name
    files: dict[str, str | bytes | None] = {
        f"{dir}/flake.nix".lstrip(
            "/"
        ): f"{{ inputs = {{ {inputs.replace('{root}', str(root))} }}; outputs = _: {{ }}; }}"
        for dir, inputs in flakes.items()
    }
    rev = repos.make_repo(folder, files)
    for dir in order:
        place = f"git+file://{folder}{f'?dir={dir}' if dir else ''}"
        done = subprocess.run([nix.path, "flake", "lock", place], capture_output=True, check=False)
        if done.returncode != 0:
            return None
        file = f"{dir}/flake.lock".lstrip("/")
        rev = repos.commit(folder, {file: (folder / file).read_bytes()})
    return Request(folder, rev, FlakeDir(order[-1] or "."), LockFile.parse((folder / file).read_bytes()), ())


def moved(request: Request, paths: tuple[InputPath, ...], rev: Rev) -> Request:
    nodes = [(path, request.lock.node(path)) for path in paths]
    moves = [
        Move(path, node.original or {}, node.locked or {}, FromServer(rev, "main")) for path, node in nodes if node
    ]
    assert len(moves) == len(paths)
    return replace(request, moves=moves)


def locked_by(by: Locker, request: Request) -> str | FlakesyncError:
    try:
        return by.lock(request).to_bytes().decode()
    except FlakesyncError as error:
        return error


@pytest.mark.slow_between
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("shape", SHAPES)
def test_both_lockers_move_what_lies_below_a_relative_input(nix: RealNix, tmp_path: Path, shape: str) -> None:
    flakes, order, paths = SHAPES[shape]
    repos.make_repo(tmp_path / "lib", {"flake.nix": "{ outputs = _: { }; }"})
    request = make(nix, tmp_path, "app", flakes, order)
    if request is None:
        assert nix.version == (2, 8), "from 2.26 on Nix locks relative inputs"
        return
    new = repos.commit(tmp_path / "lib", {"two": "2"})
    real, native = (locked_by(each, moved(request, paths, new)) for each in lockers(nix, tmp_path / "cache"))
    if nix.version == (2, 8):
        # It copies them into the store, under a hash of their own: left to it, unless nothing of that is touched.
        assert native == real or isinstance(native, NotNativeError)
        return
    assert not isinstance(real, FlakesyncError), real
    assert native == real
    lock = LockFile.parse(real.encode())
    assert [(node.locked or {})["rev"] for path in paths if (node := lock.node(path))] == [new] * len(paths)


@pytest.mark.slow_between
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("own", ["its-lock", "own-lock", "follows"])
def test_a_moved_input_with_a_relative_one_below_it_is_locked_as_each_nix_does(
    nix: RealNix, tmp_path: Path, own: str
) -> None:
    repos.make_repo(tmp_path / "lib", {"flake.nix": "{ outputs = _: { }; }"})
    follows = FOLLOWS if own == "follows" else ""
    order = ("sub", "") if own == "own-lock" else ("",)
    assert make(nix, tmp_path, "x", {"": SUB + follows + LIB, "sub": LIB}, order) is not None
    request = make(nix, tmp_path, "app", {"": X}, ("",))
    assert request is not None
    repos.commit(tmp_path / "lib", {"two": "2"})
    new = repos.commit(tmp_path / "x", {"two": "2"})
    real = locked_by(NixLocker(Nix.find()), moved(request, (("x",),), new))
    assert not isinstance(real, FlakesyncError), real
    if nix.version == (2, 8):
        # It locks the folder by a hash of its own: native writes the same or refuses.
        native = locked_by(NativeLocker(Sources({}, (), tmp_path / "cache")), moved(request, (("x",),), new))
        assert native == real or isinstance(native, NotNativeError)
        return
    # Versions differ in where they take what is below it from: one dialect at a time.
    dialect = NIX_2_26 if nix.version < (2, 30) else NIX_2_34
    sources = Sources({}, (), tmp_path / "cache")
    assert locked_by(NativeLocker(sources, [dialect]), moved(request, (("x",),), new)) == real
    either = locked_by(NativeLocker(sources), moved(request, (("x",),), new))
    if own == "its-lock":
        assert isinstance(either, NotNativeError)
        assert "nix-2.34 and nix-2.26 write different locks here: input x/sub" in either.message
    else:
        assert either == real
