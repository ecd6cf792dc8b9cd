"""Where flake.nix and flake.lock disagree: what real Nix refuses with `--no-update-lock-file`, and nothing else."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from flakesync.nix.expression.stale import find_stale
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix
from tests.support import locks, repos
from tests.support.kept import Kept
from tests.support.nix import RealNix

LIB, NP, NP2 = 'lib.url = "LIB"; ', 'np.url = "NP"; ', 'np2.url = "NP2"; '

REFUSED = {
    "an input more": (LIB, LIB + NP, ["np"]),
    "an input less": (LIB + NP, LIB, ["np"]),
    "all inputs gone": (LIB + NP, "", ["lib", "np"]),
    "another branch": (NP, 'np.url = "NP?ref=other";', ["np"]),
    "a branch named": (NP, 'np.url = "NP?ref=main";', ["np"]),
    "another repository": (NP, 'np.url = "NP2";', ["np"]),
    "another folder": (NP, 'np.url = "NP?dir=sub";', ["np"]),
    "an input renamed": (NP, 'pkgs.url = "NP";', ["np", "pkgs"]),
    "a follows more": (LIB + NP, LIB + NP + 'lib.inputs.np.follows = "np";', ["lib/np"]),
    "a follows less": (LIB + NP + 'lib.inputs.np.follows = "np";', LIB + NP, ["lib/np"]),
    "another follows": (
        LIB + NP + NP2 + 'lib.inputs.np.follows = "np";',
        LIB + NP + NP2 + 'lib.inputs.np.follows = "np2";',
        ["lib/np"],
    ),
    "cut off": (LIB, LIB + 'lib.inputs.np.follows = "";', ["lib/np"]),
    "an input that follows now": (LIB + NP, LIB + 'np.follows = "lib/np";', ["np"]),
    "an input that follows no more": (LIB + 'np.follows = "lib/np";', LIB + NP, ["np"]),
    "a nested url more": (LIB, LIB + 'lib.inputs.np.url = "NP2";', ["lib/np"]),
    "another nested url": (
        LIB + 'lib.inputs.np.url = "NP2";',
        LIB + 'lib.inputs.np.url = "NP?ref=other";',
        ["lib/np"],
    ),
    "a nested url in place of a follows": (
        LIB + NP + 'lib.inputs.np.follows = "np";',
        LIB + NP + 'lib.inputs.np.url = "NP2";',
        ["lib/np"],
    ),
    "a nested follows in place of a url": (
        LIB + NP + 'lib.inputs.np.url = "NP2";',
        LIB + NP + 'lib.inputs.np.follows = "np";',
        ["lib/np"],
    ),
}
TAKEN = {
    "the same": (LIB + NP, LIB + NP),
    "in another order, in attributes": (LIB + NP, 'np = { type = "git"; url = "BARENP"; }; lib = { url = "LIB"; };'),
    "no flake any more": (NP, NP + "np.flake = false;"),
    "a flake now": (NP + "np.flake = false;", NP),
    "a nested url less": (LIB + 'lib.inputs.np.url = "NP2";', LIB),
    "the same nested url": (LIB + 'lib.inputs.np.url = "NP2";', LIB + 'lib.inputs.np.url = "NP2";'),
    "follows of what is not there": (LIB, LIB + 'lib.inputs.zz.follows = "lib";'),
    "a follows of the input's own": ('two.url = "TWO";', 'two.url = "TWO"; two.inputs.zz.follows = "two";'),
    "the same follows": (LIB + NP + 'lib.inputs.np.follows = "np";', LIB + NP + 'lib.inputs.np.follows = "/np";'),
}


class Ground:
    """Three upstreams, and a folder in which flakes that take them are locked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("np", "np2"):
            text = "{ outputs = _: { }; }"
            repos.make_repo(root / name, {"flake.nix": text, "sub/flake.nix": text})
            repos.commit(root / name, {"flake.nix": text, "a": "b"}, branch="other")
        self.add("lib", NP)
        self.add("two", 'a.url = "NP"; b.url = "LIB"; b.inputs.np.follows = "a";')
        self._nix = Nix.find()

    def add(self, name: str, inputs: str) -> None:
        repos.make_repo(self.root / name, {"flake.nix": self.text(inputs).decode()})
        subprocess.run(["nix", "flake", "lock", str(self.root / name)], check=True, capture_output=True)
        repos.commit(self.root / name, {"flake.lock": (self.root / name / "flake.lock").read_text()})

    def text(self, inputs: str) -> bytes:
        for name in ("np2", "np", "lib", "two"):
            inputs = inputs.replace(f'"BARE{name.upper()}', f'"file://{self.root / name}')
            inputs = inputs.replace(f'"{name.upper()}', f'"git+file://{self.root / name}')
        return f"{{ inputs = {{ {inputs} }}; outputs = _: {{ }}; }}".encode()

    def verdicts(self, old: str, new: str) -> tuple[list[str], bool]:
        """Return the inputs that are found to disagree, and whether Nix takes the lock of `old` for `new`."""
        folder = self.root / "flake"
        folder.mkdir(exist_ok=True)
        (folder / "flake.lock").unlink(missing_ok=True)
        (folder / "flake.nix").write_bytes(self.text(old))
        lock = LockFile.parse(self._nix.lock(folder, []))
        (folder / "flake.nix").write_bytes(self.text(new))
        found = ["/".join(each.input) for each in find_stale(self.text(new), lock)]
        return found, self._nix.check_lock(folder)


@pytest.mark.slow_but_newest
def test_what_nix_refuses_is_found_and_what_it_takes_is_not(nix: RealNix, use_nix: RealNix, kept: Kept) -> None:
    ground = kept.again(f"stale-{nix.id}", Ground)
    for claim, (old, new, inputs) in REFUSED.items():
        assert (claim, *ground.verdicts(old, new)) == (claim, inputs, False)
    for claim, (old, new) in TAKEN.items():
        assert (claim, *ground.verdicts(old, new)) == (claim, [], True)


@pytest.mark.slow_but_newest
@pytest.mark.parametrize(
    ("inputs", "edge", "target", "at"),
    [
        (LIB + NP, ("lib", "np"), "np", ["lib/np"]),
        (NP + 'b.url = "NP"; ', ("root", "b"), "np", ["np"]),
        (LIB + 'a.url = "LIB"; ', ("a", "np"), "lib/np", ["lib/np"]),
        (LIB + 'a.url = "LIB"; ', ("root", "lib"), "a", ["lib"]),
    ],
)
@pytest.mark.parametrize("version", [6, 7])
def test_inputs_that_share_a_node_are_found_whatever_the_version(
    nix: RealNix, use_nix: RealNix, kept: Kept, inputs: str, edge: tuple[str, str], target: str, at: list[str],
    version: int,
) -> None:  # fmt: skip
    ground = kept.again(f"stale-{nix.id}", Ground)
    assert ground.verdicts(inputs, inputs) == ([], True)
    folder = ground.root / "flake"
    document = msgspec.json.decode((folder / "flake.lock").read_bytes())
    document["version"] = version
    nodes = document["nodes"]
    label = nodes["root"]["inputs"].get(target) or nodes[target.split("/")[0]]["inputs"]["np"]
    nodes[edge[0]]["inputs"][edge[1]] = label
    (folder / "flake.lock").write_bytes(msgspec.json.encode(document))
    lock = LockFile.parse((folder / "flake.lock").read_bytes())
    found = find_stale((folder / "flake.nix").read_bytes(), lock)
    assert [("/".join(each.input), each.kind) for each in found] == [(*at, "shared")]
    assert not Nix.find().check_lock(folder)


def test_what_is_split_with_another_change_is_not_told_twice() -> None:
    node = locks.lock({"a": locks.github("a", "b"), "b": locks.github("a", "b")})
    node["nodes"]["root"]["inputs"]["b"] = "a"
    lock = LockFile.parse(locks.to_bytes(node))
    both = 'inputs.a.url = "github:a/b"; inputs.b.url = "github:a/b";'
    (one,) = find_stale(f"{{ {both} outputs = _: {{ }}; }}".encode(), lock)
    assert one.detail == "a and b share a node of the lock, where Nix writes one for each"
    (other,) = find_stale(f'{{ {both} inputs.c.url = "github:a/c"; outputs = _: {{ }}; }}'.encode(), lock)
    assert other.kind == "new"


def found(flake_nix: str, inputs: locks.Inputs) -> list[tuple[str, str]]:
    lock = LockFile.parse(locks.to_bytes(locks.lock(inputs)))
    return [("/".join(each.input), each.kind) for each in find_stale(flake_nix.encode(), lock)]


def test_inputs_that_outputs_alone_asks_for_are_inputs() -> None:
    assert found("{ outputs = { self, nixpkgs }: { }; }", {}) == [("nixpkgs", "new")]


def test_a_flake_that_has_to_be_evaluated_has_no_disagreement() -> None:
    assert found("{ inputs = import ./inputs.nix; outputs = _: { }; }", {"a": locks.github("a", "b")}) == []
    assert found("no nix", {"a": locks.github("a", "b")}) == []


@pytest.mark.parametrize("url", ["github:Acme/Lib", "github:acme/lib/main", "git+https://github.com/acme/lib"])
def test_another_spelling_that_nix_tells_apart_is_found(url: str) -> None:
    text = f'{{ inputs.lib.url = "{url}"; outputs = _: {{ }}; }}'
    assert found(text, {"lib": locks.github("acme", "lib")}) == [("lib", "reference")]


def test_a_password_is_in_no_detail() -> None:
    lock = LockFile.parse(locks.to_bytes(locks.lock({"a": locks.git("https://me:secret@h.example/x")})))
    (one,) = find_stale(b'{ inputs.a.url = "github:a/b"; outputs = _: { }; }', lock)
    assert one.detail == "a is github:a/b in flake.nix, git+https://h.example/x in the lock"
