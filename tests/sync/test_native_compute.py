"""The algorithm on values: what is kept, what is written anew, and what is refused."""

import json
from collections.abc import Mapping, Sequence

import pytest

from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, read_inputs
from flakesync.nix.lock.file import LockFile
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.compute import compute
from flakesync.sync.lockers.native.locker import shown_dialects
from flakesync.sync.lockers.native.values import (
    NIX_2_8,
    NIX_2_26,
    NIX_2_34,
    Dialect,
    DisagreementError,
    Fetched,
    Flake,
    NotNativeError,
)

ALL = (NIX_2_34, NIX_2_26, NIX_2_8)
Node = dict[str, object]


def ref(name: str) -> dict[str, str]:
    return {"type": "github", "owner": "acme", "repo": name}


def node(name: str, rev: str = "a", **others: object) -> Node:
    return {
        "locked": {**ref(name), "rev": rev * 40, "narHash": "sha256-x", "lastModified": 1},
        "original": ref(name),
    } | others


def lock(nodes: Mapping[str, Node], *, version: int = 7, layout: int | None = 2) -> LockFile:
    document = {"nodes": nodes, "root": "root", "version": version}
    return LockFile.parse(json.dumps(document, indent=layout, sort_keys=True).encode())


def flake(inputs: str) -> Mapping[str, InputSpec]:
    found = read_inputs(f"{{ inputs = {{ {inputs} }}; outputs = inputs: {{ }}; }}".encode())
    assert isinstance(found, FlakeInputs), found
    return found.inputs


def moved(name: str, rev: str, inputs: str = "", own: LockFile | None = None) -> Fetched:
    locked: Mapping[str, Attr] = {**ref(name), "rev": rev * 40, "narHash": "sha256-y", "lastModified": 2}
    return Fetched(FlakeRef.from_attrs(ref(name)), lambda _: locked, lambda: Flake(flake(inputs), own))


class Known:
    """A Fetcher that knows the flakes it is given, by the name of the repository."""

    def __init__(self, **flakes: str) -> None:
        self.flakes = flakes
        self.asked: list[str] = []

    def at(self, locked: Mapping[str, Attr]) -> Flake:
        name = str(locked["repo"])
        self.asked.append(name)
        if name not in self.flakes:
            raise NotNativeError(f"nobody has {name}")
        return Flake(flake(self.flakes[name]), None)

    def newest(self, ref: FlakeRef) -> Fetched:
        self.asked.append(ref.to_url())
        return moved(str(ref.attrs["repo"]), "f")


def written(
    old: LockFile, inputs: str, moves: Mapping[tuple[str, ...], Fetched], *, known: Known | None = None,
    dialects: Sequence[Dialect] = ALL,
) -> LockFile:  # fmt: skip
    return compute(old, flake(inputs), moves, known or Known(), dialects)


LIB = 'lib.url = "github:acme/lib";'
APP = 'app.url = "github:acme/app";'


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_lock_in_which_nothing_changes_stays_as_it_is(version: int) -> None:
    old = lock(
        {"root": {"inputs": {"lib": "any-name"}}, "any-name": node("lib"), "nobody's": node("app")},
        version=version, layout=None,
    )  # fmt: skip
    same = Fetched(FlakeRef.from_attrs(ref("lib")), lambda _: node("lib")["locked"], lambda: Flake({}, None))  # type: ignore[arg-type, return-value]
    assert written(old, LIB, {("lib",): same}) is old


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_lock_in_which_something_moves_is_written_anew(version: int) -> None:
    shared: dict[str, Node] = {
        "root": {"inputs": {"app": "a", "lib": "l"}},
        "a": node("app", inputs={"lib": "l"}),
        "l": node("lib"),
    }
    new = written(lock(shared, version=version), APP + LIB, {("app",): moved("app", "b")})
    assert new.version == 7
    assert set(new.nodes) == {"root", "app", "lib"}
    new = written(lock(shared, version=version), APP + LIB, {("lib",): moved("lib", "b")})
    assert {label: each.locked["rev"][0] for label, each in new.nodes.items() if each.locked} == {  # type: ignore[index]
        "app": "a", "lib": "a", "lib_2": "b",
    }  # fmt: skip


def test_a_moved_input_brings_what_its_own_lock_has_under_our_follows() -> None:
    own = lock(
        {
            "root": {"inputs": {"deep": "deep", "lib": "lib", "same": ["deep", "lib"]}},
            "deep": node("deep", inputs={"lib": "lib_2"}),
            "lib": node("lib", "c"),
            "lib_2": node("lib", "d"),
        }
    )
    its = LIB + 'deep.url = "github:acme/deep"; same.follows = "deep/lib";'
    old = lock({"root": {"inputs": {"app": "app", "lib": "lib"}}, "app": node("app"), "lib": node("lib")})
    ours = APP + 'app.inputs.lib.follows = "lib"; app.inputs.deep.inputs.lib.follows = "lib";' + LIB
    new = written(old, ours, {("app",): moved("app", "b", its, own)}, dialects=[NIX_2_34])
    assert new.nodes["app"].inputs == {"deep": "deep", "lib": ("lib",), "same": ("app", "deep", "lib")}  # type: ignore[index]
    assert new.nodes["deep"].inputs == {"lib": ("lib",)}  # type: ignore[index]


def test_flake_nix_is_only_looked_at_where_a_follows_may_be_the_inputs_own() -> None:
    nodes: dict[str, Node] = {
        "root": {"inputs": {"app": "app", "lib": "lib"}},
        "app": node("app", inputs={"x": "x", "y": ["app", "x"]}),
        "x": node("x"),
        "lib": node("lib"),
    }
    its = 'x.url = "github:acme/x"; y.follows = "x";'
    known = Known(app=its)
    new = written(lock(nodes), APP + LIB, {("lib",): moved("lib", "b")}, known=known)
    assert known.asked[:1] == ["app"]
    assert new.nodes["app"].inputs == {"x": "x", "y": ("app", "x")}  # type: ignore[index]
    with pytest.raises(NotNativeError, match="input app: nobody has app"):
        written(lock(nodes), APP + LIB, {("lib",): moved("lib", "b")})
    known = Known()
    written(lock(nodes), APP + 'app.inputs.y.follows = "app/x";' + LIB, {("lib",): moved("lib", "b")}, known=known)
    assert known.asked == []


@pytest.mark.parametrize(
    ("inputs", "moves"),
    [
        ('lib.url = "github:acme/other";' + APP, ("app",)),
        (LIB + APP + 'new.url = "github:acme/new";', ("app",)),
        (LIB, ("app",)),
        (LIB + 'app.follows = "lib";', ("app",)),
    ],
    ids=["another reference", "a new input", "an input less", "a follows instead"],
)
def test_a_flake_nix_that_disagrees_with_its_lock_is_refused(inputs: str, moves: tuple[str, ...]) -> None:
    old = lock({"root": {"inputs": {"app": "app", "lib": "lib"}}, "app": node("app"), "lib": node("lib")})
    with pytest.raises(DisagreementError):
        written(old, inputs, {moves: moved("app", "b")})


def test_follows_that_lead_nowhere_are_refused() -> None:
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app", inputs={"x": "x"}), "x": node("x")})
    with pytest.raises(NotNativeError, match="does not exist"):
        written(old, APP + 'z.follows = "app/x";', {("app",): moved("app", "b")})
    with pytest.raises(NotNativeError, match=r"back to itself|does not exist"):
        written(old, APP + 'z.follows = "y"; y.follows = "z";', {("app",): moved("app", "b")})


def test_an_overridden_reference_is_noted_as_each_nix_notes_it() -> None:
    own = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib", "c")})
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app", inputs={"lib": "lib"}), "lib": node("lib")})
    inputs = APP + 'app.inputs.lib.url = "github:acme/fork";'
    moves: dict[tuple[str, ...], Fetched] = {("app",): moved("app", "b", LIB, own)}
    for dialect, noted in ((NIX_2_8, "lib"), (NIX_2_26, "fork"), (NIX_2_34, "fork")):
        new = written(old, inputs, moves, dialects=[dialect])
        assert new.nodes["lib"].original == ref(noted)  # type: ignore[index]
        assert (new.nodes["lib"].locked or {})["repo"] == "fork"  # type: ignore[index]
    with pytest.raises(NotNativeError, match=r"nix-2\.34 and nix-2\.8 write different locks"):
        written(old, inputs, moves)


def test_a_lock_shows_which_nix_has_written_it() -> None:
    def git(original: Mapping[str, object], locked: Mapping[str, object]) -> LockFile:
        both: dict[str, object] = {"type": "git", "url": "https://acme.example/lib"}
        return lock(
            {"root": {"inputs": {"a": "a"}}, "a": {"original": {**both, **original}, "locked": {**both, **locked}}}
        )

    newer, older = (NIX_2_34, NIX_2_26), (NIX_2_8,)
    assert tuple(shown_dialects(git({}, {"ref": "refs/heads/main"}))) == newer
    assert tuple(shown_dialects(git({}, {"ref": "main"}))) == ALL
    assert tuple(shown_dialects(git({"ref": "refs/heads/x"}, {"ref": "refs/heads/x"}))) == ALL
    address = {"dir": "sub", "url": "https://acme.example/lib?dir=sub"}
    assert tuple(shown_dialects(git(address, address))) == older
    assert tuple(shown_dialects(lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")}))) == ALL
