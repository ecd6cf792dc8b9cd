"""The algorithm on values: what is kept, what is written anew, and what is refused."""

import json
from collections.abc import Mapping, Sequence

import pytest

from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, read_inputs
from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.nix.reference.flakeref import Attr, FlakeRef
from flakesync.sync.lockers.native.algorithm import Computation
from flakesync.sync.lockers.native.compute import compute
from flakesync.sync.lockers.native.dialects import (
    ALL,
    DIALECTS,
    LIX,
    NIX_2_8,
    NIX_2_18,
    NIX_2_26,
    NIX_2_34,
    shown_dialects,
)
from flakesync.sync.lockers.native.own_source import relative_path
from flakesync.sync.lockers.native.values import (
    Dialect,
    DisagreementError,
    Fetched,
    Flake,
    NotNativeError,
)
from flakesync.terms import NodeLabel

Node = dict[str, object]
NEWER = (NIX_2_34, NIX_2_26)
OLDER = (LIX, NIX_2_18, NIX_2_8)
"""What each can is said here once more: a test that asked the dialect itself would believe any mistake in it."""


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


def fetched(ref: FlakeRef, locked: Mapping[str, Attr]) -> Fetched:
    return Fetched(ref, lambda _: locked, lambda: Flake({}, None))


class Known:
    """A Fetcher that knows the flakes it is given, by the name of the repository."""

    def __init__(self, rev: str | None = "f", **flakes: str) -> None:
        self.rev = rev
        self.flakes = flakes
        self.asked: list[str] = []

    def at(self, locked: Mapping[str, Attr]) -> Flake:
        name = str(locked.get("repo"))
        self.asked.append(name)
        if name not in self.flakes:
            raise NotNativeError(f"nobody has {name}")
        return Flake(flake(self.flakes[name]), None)

    def newest(self, ref: FlakeRef) -> Fetched:
        self.asked.append(ref.to_url())
        if self.rev is None:
            locked = ref.to_attrs()
            return Fetched(ref, lambda _: locked, lambda: Flake({}, None))
        return moved(str(ref.attrs["repo"]), self.rev)


def written(
    old: LockFile, inputs: str, moves: Mapping[tuple[str, ...], Fetched], *, known: Known | None = None,
    dialects: Sequence[Dialect] = ALL,
) -> LockFile:  # fmt: skip
    return compute(old, Flake(flake(inputs), old), moves, known or Known(), dialects)


def at(lock: LockFile, label: str) -> LockNode:
    return lock.nodes[NodeLabel(label)]


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


def test_a_node_that_stays_is_the_old_locks_own_and_one_with_unknown_keys_is_written_without_them() -> None:
    nodes: dict[str, Node] = {
        "root": {"inputs": {"app": "app", "lib": "lib", "odd": "odd"}},
        "app": node("app", inputs={"deep": "deep"}),
        "deep": node("deep"),
        "lib": node("lib"),
        "odd": node("odd", buildTime=True),
    }
    old = lock(nodes)
    new = written(old, APP + LIB + 'odd.url = "github:acme/odd";', {("lib",): moved("lib", "b")})
    assert [label for label, each in new.nodes.items() if each is old.nodes[label]] == ["root", "app", "deep"]
    assert (at(old, "odd").extra, at(new, "odd").extra) == ({"buildTime": True}, {})
    assert b"buildTime" not in new.to_bytes()


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


def test_an_input_that_the_lock_is_known_to_lack_is_locked_with_the_others() -> None:
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app")})
    asks = Flake(flake(LIB + APP), old)
    new = compute(old, asks, {("app",): moved("app", "b")}, Known("e"), ALL, [("lib",)])
    assert {label: (each.locked or {})["rev"] for label, each in new.nodes.items() if each.locked} == {
        "app": "b" * 40, "lib": "e" * 40,
    }  # fmt: skip


def test_follows_that_lead_nowhere_are_refused() -> None:
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app", inputs={"x": "x"}), "x": node("x")})
    with pytest.raises(NotNativeError, match="does not exist"):
        written(old, APP + 'z.follows = "app/x";', {("app",): moved("app", "b")})
    with pytest.raises(NotNativeError, match=r"back to itself|does not exist"):
        written(old, APP + 'z.follows = "y"; y.follows = "z";', {("app",): moved("app", "b")})


def overridden(noted: str, *, non_flake: bool = False) -> tuple[LockFile, str, dict[tuple[str, ...], Fetched]]:
    """Return a lock in which app's `lib`, overridden with a fork, notes this; the flake.nix; and a move of app."""
    flags: Node = {"flake": False} if non_flake else {}
    own = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib", "c") | flags})
    old = lock(
        {
            "root": {"inputs": {"app": "app"}},
            "app": node("app", inputs={"lib": "lib"}),
            "lib": node("fork", original=ref(noted)) | flags,
        }
    )
    its = LIB + ("lib.flake = false;" if non_flake else "")
    return old, APP + 'app.inputs.lib.url = "github:acme/fork";', {("app",): moved("app", "b", its, own)}


Overrides = pytest.mark.parametrize(
    ("dialect", "flake", "non_flake"),
    [(NIX_2_8, "lib", "fork"), (NIX_2_18, "lib", "lib"), (LIX, "lib", "lib"), (NIX_2_26, "fork", "fork"),
     (NIX_2_34, "fork", "fork")],
    ids=lambda each: each.name if isinstance(each, Dialect) else None,
)  # fmt: skip
"""Which reference each Nix notes of an input that is overridden, for a flake and for none."""


@Overrides
def test_an_overridden_reference_is_noted_as_each_nix_notes_it(dialect: Dialect, flake: str, non_flake: str) -> None:
    for noted, is_non_flake in ((flake, False), (non_flake, True)):
        old, inputs, moves = overridden(noted, non_flake=is_non_flake)
        new = written(old, inputs, moves, dialects=[dialect])
        assert at(new, "lib").original == ref(noted)
        assert (at(new, "lib").locked or {})["repo"] == "fork"
        other = overridden("lib" if noted == "fork" else "fork", non_flake=is_non_flake)[0]
        with pytest.raises(DisagreementError, match=rf"{dialect.name} notes another reference for input app/lib"):
            written(other, inputs, moves, dialects=[dialect])


def test_a_lock_shows_by_what_it_notes_of_overridden_inputs_which_nix_has_written_it() -> None:
    for noted, non_flake in (("lib", True), ("lib", False), ("fork", False)):
        old, inputs, moves = overridden(noted, non_flake=non_flake)
        assert at(written(old, inputs, moves), "lib").original == ref(noted)
    # Nix 2.8 notes the override where it is no flake, as 2.20 and later do; nothing else is noted here.
    old, inputs, moves = overridden("fork", non_flake=True)
    assert at(written(old, inputs, moves), "lib").original == ref("fork")


@Overrides
@pytest.mark.parametrize("is_flake", [True, False])
def test_what_is_noted_of_an_override_that_stays_is_what_its_nix_notes(
    dialect: Dialect, flake: str, non_flake: str, is_flake: bool
) -> None:
    flags: Node = {} if is_flake else {"flake": False}
    inputs = APP + 'app.inputs.lib.url = "github:acme/fork"; leaf.url = "github:acme/leaf";'
    its = LIB + ("" if is_flake else "lib.flake = false;")
    right = flake if is_flake else non_flake
    for noted in ("lib", "fork"):
        old = lock(
            {
                "root": {"inputs": {"app": "app", "leaf": "leaf"}},
                "app": node("app", inputs={"lib": "lib"}),
                "lib": node("fork", "f", original=ref(noted)) | flags,
                "leaf": node("leaf"),
            }
        )
        known = Known(app=its, fork="")
        moves: dict[tuple[str, ...], Fetched] = {("leaf",): moved("leaf", "e")}
        if noted == right:
            new = written(old, inputs, moves, known=known, dialects=[dialect])
            assert at(new, "lib").original == ref(noted)
            assert (at(new, "lib").locked or {})["rev"] == "f" * 40
            # Nix up to 2.19 fetches what is overridden each time, the others keep it.
            assert ("github:acme/fork" in known.asked) is (dialect in OLDER)
        else:
            with pytest.raises(DisagreementError, match="disagree on what input app/lib is"):
                written(old, inputs, moves, known=known, dialects=[dialect])


@pytest.mark.parametrize("dialect", [NIX_2_8, NIX_2_18, LIX], ids=lambda dialect: dialect.name)
def test_an_overridden_input_is_not_moved_in_the_way_of_an_old_nix(dialect: Dialect) -> None:
    old, inputs, _ = overridden("lib" if dialect in OLDER else "fork")
    with pytest.raises(NotNativeError, match="input app/lib has its reference from another flake"):
        written(old, inputs, {("app", "lib"): moved("fork", "b")}, known=Known(app=LIB), dialects=[dialect])


def test_an_overridden_input_that_moves_notes_the_reference_of_its_own_flake() -> None:
    # As `--override-input` does: `input2.ref` in flake.cc.
    old, inputs, _ = overridden("fork")
    for dialect in (NIX_2_26, NIX_2_34):
        new = written(old, inputs, {("app", "lib"): moved("fork", "b")}, known=Known(app=LIB), dialects=[dialect])
        assert ((at(new, "lib").locked or {})["rev"], at(new, "lib").original) == ("b" * 40, ref("lib"))
    # The others have not written such a lock, so what they cannot do does not matter.
    new = written(old, inputs, {("app", "lib"): moved("fork", "b")}, known=Known(app=LIB))
    assert at(new, "lib").original == ref("lib")


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_an_address_without_the_dir_that_an_old_nix_keeps_in_it_is_not_that_nixs(dialect: Dialect) -> None:
    url = "https://git.example/acme/mid"
    inputs = f'mid.url = "git+{url}?dir=sub";'
    for address, old_nix in ((url, False), (f"{url}?dir=sub", True)):
        original: dict[str, Attr] = {"type": "git", "url": address, "dir": "sub"}
        locked = {**original, "ref": "refs/heads/main", "rev": "c" * 40, "revCount": 3, "narHash": "sha256-x"}
        old = lock({"root": {"inputs": {"mid": "mid"}}, "mid": {"locked": locked, "original": original}})
        to = fetched(FlakeRef.parse(f"git+{url}?dir=sub"), {**locked, "rev": "d" * 40})
        if dialect in OLDER and not old_nix:
            with pytest.raises(DisagreementError, match=rf"the address of input mid holds no `\?dir=`.*{dialect.name}"):
                written(old, inputs, {("mid",): to}, dialects=[dialect])
        elif dialect in OLDER:
            assert at(written(old, inputs, {("mid",): to}, dialects=[dialect]), "mid").original == original
        elif not old_nix:
            new = written(old, inputs, {("mid",): to}, dialects=[dialect])
            assert at(new, "mid").original == {"type": "git", "url": url, "dir": "sub"}


@pytest.mark.parametrize(
    ("its", "own"),
    [
        ({"lib": APP, "app": LIB}, "input lib/app/lib is a circular import of github:acme/lib"),
        ({"lib": LIB}, "input lib/lib is a circular import of github:acme/lib"),
    ],
    ids=["two", "itself"],
)
def test_a_source_that_is_being_fetched_further_up_is_not_fetched_again(its: Mapping[str, str], own: str) -> None:
    class Circle(Known):
        def newest(self, ref: FlakeRef) -> Fetched:
            name = str(ref.attrs["repo"])
            return moved(name, "d", its[name])

    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")})
    with pytest.raises(NotNativeError, match=own):
        written(old, LIB, {("lib",): moved("lib", "b", its["lib"])}, known=Circle())


def test_a_source_taken_twice_beside_each_other_is_no_circle() -> None:
    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")})
    its = 'x.url = "github:acme/x"; y.url = "github:acme/x";'
    new = written(old, LIB, {("lib",): moved("lib", "b", its)}, known=Known("e"))
    assert set(new.nodes) == {"root", "lib", "x", "y"}


def test_a_part_that_is_copied_keeps_what_is_relative_in_it() -> None:
    sub: Node = {
        "locked": {"type": "path", "path": "./sub"},
        "original": {"type": "path", "path": "./sub"},
        "parent": ["app"],
    }
    old = lock(
        {
            "root": {"inputs": {"app": "app", "lib": "lib"}},
            "app": node("app", inputs={"sub": "sub"}),
            "sub": {**sub, "inputs": {"x": "x"}},
            "x": node("x"),
            "lib": node("lib"),
        }
    )
    new = written(old, APP + LIB, {("lib",): moved("lib", "b")}, dialects=[NIX_2_34, NIX_2_26])
    assert (at(new, "sub").parent, at(new, "sub").original) == (("app",), {"type": "path", "path": "./sub"})
    assert at(new, "sub").inputs == {"x": "x"}
    assert (at(new, "x").locked or {})["rev"] == "a" * 40


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_a_relative_input_is_new_in_no_lock_of_a_nix_that_copies_it(dialect: Dialect) -> None:
    beside = Flake(flake(""), None)

    def its() -> Flake:
        return Flake(flake('sub.url = "path:./sub";'), None, beside=lambda _: beside)

    locked: Mapping[str, Attr] = {**ref("lib"), "rev": "b" * 40, "narHash": "sha256-y", "lastModified": 2}
    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")})
    moves: dict[tuple[str, ...], Fetched] = {("lib",): Fetched(FlakeRef.from_attrs(ref("lib")), lambda _: locked, its)}
    if dialect in NEWER:
        assert at(written(old, LIB, moves, dialects=[dialect]), "sub").parent == ("lib",)
    else:
        with pytest.raises(DisagreementError, match=rf"input lib/sub is a relative path, which {dialect.name} copies"):
            written(old, LIB, moves, dialects=[dialect])


def test_a_relative_path_with_more_to_it_than_a_path_is_left_to_nix() -> None:
    assert relative_path({"type": "path", "path": "./sub"}) == "./sub"
    with pytest.raises(NotNativeError, match="a relative path has narHash beside it"):
        relative_path({"type": "path", "path": "./sub", "narHash": "sha256-x"})
    with pytest.raises(NotNativeError, match="a relative path has no reference beside it"):
        relative_path(None)


def test_a_relative_path_that_an_old_nix_has_copied_into_a_lock_is_left_to_nix() -> None:
    # Up to 2.25 it was locked as a path of its own, with a hash, and no `parent`.
    path: dict[str, Attr] = {"type": "path", "path": "./sub"}
    copied: Node = {"locked": {**path, "narHash": "sha256-z", "lastModified": 1}, "original": path}
    noted: Node = {"locked": path, "original": path, "parent": []}
    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")})

    def written_with(sub: Node) -> LockFile:
        own = lock({"root": {"inputs": {"sub": "sub"}}, "sub": sub})
        its = Flake(flake('sub.url = "path:./sub";'), own, beside=lambda _: Flake({}, None))
        to = moved("lib", "b")
        return written(old, LIB, {("lib",): Fetched(to.ref, to.locked, lambda: its)}, dialects=[NIX_2_34])

    assert at(written_with(noted), "sub").parent == ("lib",)
    with pytest.raises(NotNativeError, match=r"relative path of input lib/sub was locked by Nix before 2\.26"):
        written_with(copied)


@pytest.mark.parametrize("its", ["", 'lib.follows = "x";'], ids=["not there", "a follows"])
@pytest.mark.parametrize("dialect", [NIX_2_8, NIX_2_18, LIX], ids=lambda dialect: dialect.name)
def test_an_override_of_an_input_that_has_no_reference_of_its_own_is_noted_itself(dialect: Dialect, its: str) -> None:
    inputs = APP + 'app.inputs.lib.url = "github:acme/fork"; leaf.url = "github:acme/leaf";'
    old = lock(
        {
            "root": {"inputs": {"app": "app", "leaf": "leaf"}},
            "app": node("app", inputs={"lib": "lib", "x": "x"}),
            "lib": node("fork", "f"),
            "x": node("x"),
            "leaf": node("leaf"),
        }
    )
    known = Known(app=its + 'x.url = "github:acme/x";', fork="")
    new = written(old, inputs, {("leaf",): moved("leaf", "e")}, known=known, dialects=[dialect])
    assert at(new, "lib").original == ref("fork")


def test_where_a_spelling_makes_a_difference_to_some_nix_nothing_is_guessed() -> None:
    # The same reference in two spellings: Nix before 2.28.4 compares letters and would fetch it anew.
    spelled = {"type": "git", "url": "https://git.example/%61cme"}
    assert FlakeRef.from_attrs(spelled) == FlakeRef.parse("git+https://git.example/acme")
    old = lock(
        {
            "root": {"inputs": {"acme": "acme", "lib": "lib"}},
            "acme": {"locked": {**spelled, "rev": "c" * 40}, "original": spelled},
            "lib": node("lib"),
        }
    )
    inputs = LIB + 'acme.url = "git+https://git.example/acme";'
    moves: dict[tuple[str, ...], Fetched] = {("lib",): moved("lib", "b")}
    new = written(old, inputs, moves, dialects=[NIX_2_34])
    assert at(new, "acme").original == spelled
    with pytest.raises(DisagreementError, match="input acme"):
        written(old, inputs, moves, dialects=[NIX_2_26])
    tried: list[str] = []
    for dialects in ([NIX_2_34, NIX_2_18], [NIX_2_34, NIX_2_26]):
        computation = Computation(old, moves, Known(), dialects[0])
        computation.run(Flake(flake(inputs), old))
        tried.append(computation.differs)
    assert tried == ["git+https://git.example/acme is spelled otherwise in the lock"] * 2


def test_where_what_is_kept_below_an_input_fetched_anew_depends_on_the_nix_nothing_is_guessed() -> None:
    own = lock({"root": {"inputs": {"mid": "mid"}}, "mid": node("mid", "c", inputs={"x": "x"}), "x": node("x", "d")})
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app")})
    its = 'mid.url = "github:acme/other";'

    class Others(Known):
        def newest(self, ref: FlakeRef) -> Fetched:
            name = str(ref.attrs["repo"])
            return moved(name, "e", 'x.url = "github:acme/x";' if name == "other" else "")

    def x_in(dialect: Dialect) -> str:
        new = written(old, APP, {("app",): moved("app", "b", its, own)}, known=Others(), dialects=[dialect])
        return str((at(new, "x").locked or {})["rev"])[0]

    assert {dialect.name: x_in(dialect) for dialect in ALL} == {
        dialect.name: "e" if dialect is NIX_2_34 else "d" for dialect in ALL
    }
    with pytest.raises(NotNativeError, match="write different locks here: input app/mid has another reference"):
        written(old, APP, {("app",): moved("app", "b", its, own)}, known=Others())


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_a_way_through_a_follows_is_found_by_new_nix_alone(dialect: Dialect) -> None:
    old = lock(
        {
            "root": {"inputs": {"app": "app", "lib": "lib", "z": ["app", "lib", "x"]}},
            "app": node("app", inputs={"lib": ["lib"]}),
            "lib": node("lib", inputs={"x": "x"}),
            "x": node("x"),
        }
    )
    inputs = APP + LIB + 'app.inputs.lib.follows = "lib"; z.follows = "app/lib/x";'
    moves: dict[tuple[str, ...], Fetched] = {("app",): moved("app", "b", LIB)}
    if dialect in OLDER:
        with pytest.raises(NotNativeError, match=r"Nix up to 2\.18 does not find app/lib/x"):
            written(old, inputs, moves, dialects=[dialect])
    else:
        assert at(written(old, inputs, moves, dialects=[dialect]), "root").inputs["z"] == ("app", "lib", "x")


def test_an_override_below_an_override_counts_for_those_who_read_it() -> None:
    own = lock({"root": {"inputs": {"mid": "mid"}}, "mid": node("mid", "c", inputs={"lib": "l"}), "l": node("lib")})
    old = lock({"root": {"inputs": {"app": "app", "lib": "lib"}}, "app": node("app"), "lib": node("lib", "f")})
    inputs = APP + LIB + 'app.inputs.mid.url = "github:acme/mid"; app.inputs.mid.inputs.lib.follows = "lib";'
    moves: dict[tuple[str, ...], Fetched] = {("app",): moved("app", "b", 'mid.url = "github:acme/mid";', own)}
    known = Known(mid=LIB)
    assert at(written(old, inputs, moves, known=known, dialects=[NIX_2_34]), "mid").inputs == {"lib": ("lib",)}
    assert at(written(old, inputs, moves, known=known, dialects=[NIX_2_26]), "mid").inputs == {"lib": "lib"}
    with pytest.raises(NotNativeError, match=r"nix-2\.34 and nix-2\.26 write different locks here"):
        written(old, inputs, moves, known=known, dialects=[NIX_2_34, NIX_2_26])


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_what_a_flake_asks_for_itself_is_noted_by_those_who_know_it(dialect: Dialect) -> None:
    locked: Mapping[str, Attr] = {"type": "git", "url": "https://git.example/lib", "rev": "b" * 40}
    old_locked = {**locked, "rev": "a" * 40}
    original: dict[str, Attr] = {"type": "git", "url": "https://git.example/lib"}
    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": {"locked": old_locked, "original": original}})
    inputs = 'lib.url = "git+https://git.example/lib";'

    def written_for(flake_of_lib: Flake, locked: Mapping[str, Attr] = locked) -> Mapping[str, Attr]:
        to = Fetched(FlakeRef.from_attrs(original), lambda _: locked, lambda: flake_of_lib)
        return at(written(old, inputs, {("lib",): to}, dialects=[dialect]), "lib").locked or {}

    asks = Flake({}, None, {"submodules": True})
    if dialect in OLDER:
        with pytest.raises(DisagreementError, match=rf"`inputs\.self\.submodules`, which {dialect.name} does not know"):
            written_for(asks)
        return
    assert written_for(asks) == {**locked, "submodules": True}
    assert written_for(Flake({}, None, {"lfs": True, "submodules": False})) == {
        **locked, "lfs": True, "submodules": False,
    }  # fmt: skip
    with pytest.raises(NotNativeError, match="and it has submodules"):
        written_for(Flake({}, None, {"submodules": True}, submodules=True))
    assert written_for(Flake({}, None, {"lfs": True}, submodules=True)) == {**locked, "lfs": True}
    with pytest.raises(NotNativeError, match="fetched with `exportIgnore`"):
        written_for(asks, {**locked, "exportIgnore": True})
    with pytest.raises(NotNativeError, match="not asked of an archive"):
        written_for(asks, {**ref("lib"), "rev": "b" * 40})


def test_an_overridden_reference_that_no_nix_notes_is_refused() -> None:
    old, inputs, moves = overridden("fork")
    with pytest.raises(NotNativeError, match=r"nix-2\.8 notes another reference for input app/lib"):
        written(old, inputs, moves, dialects=[NIX_2_8, NIX_2_18, LIX])


def test_where_the_lock_does_not_tell_what_is_noted_nothing_is_guessed() -> None:
    _, inputs, moves = overridden("lib")
    old = lock({"root": {"inputs": {"app": "app"}}, "app": node("app")})
    with pytest.raises(NotNativeError, match=r"nix-2\.34 and lix write different locks"):
        written(old, inputs, moves)


def test_overrides_may_be_nested_as_deep_as_the_reader_takes_them() -> None:
    old = lock({"root": {"inputs": {"app": "app", "lib": "lib"}}, "app": node("app"), "lib": node("lib")})
    inputs = APP + LIB + f'app{".inputs.x" * 60}.follows = "lib";'
    new = written(old, inputs, {("lib",): moved("lib", "b")})
    assert (at(new, "lib").locked or {})["rev"] == "b" * 40


def test_a_lock_of_lix_is_written_as_lix_writes_it() -> None:
    # It notes the branch in full, as Nix from 2.9 on, and of an overridden input what its own flake says.
    mid = {"type": "git", "url": "https://git.example/acme/mid"}
    nodes: dict[str, Node] = {
        "root": {"inputs": {"leaf": "leaf", "mid": "mid"}},
        "mid": {
            "inputs": {"data": "data"},
            "locked": {**mid, "ref": "refs/heads/main", "rev": "c" * 40, "revCount": 3, "repo": "mid"},
            "original": mid,
        },
        "data": node("data", original=ref("data") | {"ref": "trunk"}),
        "leaf": node("leaf"),
    }
    old = lock(nodes)
    inputs = (
        'leaf.url = "github:acme/leaf"; mid.url = "git+https://git.example/acme/mid";'
        'mid.inputs.data.url = "github:acme/data";'
    )
    known = Known(mid='data.url = "github:acme/data/trunk";')
    moves: dict[tuple[str, ...], Fetched] = {("leaf",): moved("leaf", "e")}
    new = written(old, inputs, moves, known=known, dialects=shown_dialects(old))
    assert at(new, "data").original == ref("data") | {"ref": "trunk"}
    nodes["data"] = node("data")
    with pytest.raises(DisagreementError):
        written(lock(nodes), inputs, moves, known=known, dialects=DIALECTS["lix"])


ODD = 'app.url = "https://acme.example/app/*.tar.gz";'


def test_a_reference_that_only_old_nix_may_write_otherwise_is_written_as_the_others_do() -> None:
    own = lock({"root": {"inputs": {}}})
    old = lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")})
    its: dict[tuple[str, ...], Fetched] = {("lib",): moved("lib", "b", ODD, own)}
    assert at(written(old, LIB, its, known=Known(None)), "app").original == {
        "type": "tarball", "url": "https://acme.example/app/%2A.tar.gz",
    }  # fmt: skip
    with pytest.raises(NotNativeError, match=r"how nix-2\.8 writes the reference https"):
        written(old, LIB, its, known=Known(None), dialects=[NIX_2_8])


def test_a_lock_shows_which_nix_has_written_it() -> None:
    def git(original: Mapping[str, object], locked: Mapping[str, object]) -> LockFile:
        both: dict[str, object] = {"type": "git", "url": "https://acme.example/lib"}
        return lock(
            {"root": {"inputs": {"a": "a"}}, "a": {"original": {**both, **original}, "locked": {**both, **locked}}}
        )

    newer, older = (NIX_2_34, NIX_2_26, LIX, NIX_2_18), (LIX, NIX_2_18, NIX_2_8)
    assert tuple(shown_dialects(git({}, {"ref": "refs/heads/main"}))) == newer
    assert tuple(shown_dialects(git({}, {"ref": "main"}))) == ALL
    assert tuple(shown_dialects(git({"ref": "refs/heads/x"}, {"ref": "refs/heads/x"}))) == ALL
    address = {"dir": "sub", "url": "https://acme.example/lib?dir=sub"}
    assert tuple(shown_dialects(git(address, address))) == older
    assert tuple(shown_dialects(lock({"root": {"inputs": {"lib": "lib"}}, "lib": node("lib")}))) == ALL
    assert tuple(shown_dialects(git({}, {"ref": "refs/heads/main", "lfs": True}))) == (NIX_2_34, NIX_2_26)
    assert tuple(shown_dialects(git({}, {"dirtyRev": "x"}))) == newer
    path: dict[str, Attr] = {"type": "path", "path": "./sub"}
    sub: Node = {"locked": path, "original": path, "parent": []}
    assert tuple(shown_dialects(lock({"root": {"inputs": {"sub": "sub"}}, "sub": sub}))) == (NIX_2_34, NIX_2_26)


def test_what_lies_deeper_in_a_lock_counts_only_as_far_as_it_fits_what_lies_at_the_top() -> None:
    top = {"type": "git", "url": "https://acme.example/lib?dir=sub", "dir": "sub"}
    deep = {"type": "git", "url": "https://acme.example/deep"}
    nodes: dict[str, Node] = {
        "root": {"inputs": {"a": "a"}},
        "a": {"original": top, "locked": top, "inputs": {"b": "b"}},
        "b": {"original": deep, "locked": {**deep, "exportIgnore": True}},
    }
    assert tuple(shown_dialects(lock(nodes))) == (LIX, NIX_2_18, NIX_2_8)
    nodes["b"] = {"original": deep, "locked": {**deep, "lfs": True}}
    assert tuple(shown_dialects(lock(nodes))) == (NIX_2_34, NIX_2_26), "no other Nix reads that at all"
    # Where the top says nothing, what lies deeper does.
    plain = {"type": "git", "url": "https://acme.example/lib"}
    nodes["a"] = {"original": plain, "locked": plain, "inputs": {"b": "b"}}
    nodes["b"] = {"original": deep, "locked": {**deep, "exportIgnore": True}}
    assert tuple(shown_dialects(lock(nodes))) == (NIX_2_34, NIX_2_26)
    nodes["b"] = {"original": top, "locked": top}
    assert tuple(shown_dialects(lock(nodes))) == (LIX, NIX_2_18, NIX_2_8)
