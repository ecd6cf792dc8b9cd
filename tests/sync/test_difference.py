"""What changed between two locks is told in the very words of `nix flake update --commit-lock-file`."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.nix.lock.file import LockFile
from flakesync.update.difference import describe, describe_all, differences, entries, show_reference
from tests.support import locks, repos
from tests.support.locks import Input
from tests.support.nix import RealNix
from tests.support.nixspace import Space, Take
from tests.support.repos import run_git


def parse(inputs: locks.Inputs) -> LockFile:
    return LockFile.parse(locks.to_bytes(locks.lock(inputs)))


def told(before: locks.Inputs, after: locks.Inputs) -> str:
    return "\n".join(map(describe, differences(parse(before), parse(after))))


@pytest.mark.usefixtures("use_nix")
def test_the_words_are_those_of_nix_itself(nix: RealNix, tmp_path: Path) -> None:
    space = Space(tmp_path / "space")
    space.add("lib").add("tool", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"}), "same": "lib"})
    old: dict[str, Take | str] = {
        "gone": Take("lib"), "nixpkgs": Take(), "tool": Take(), "bent": "tool/lib", "source": Take("lib", flake=False),
    }  # fmt: skip
    space.add("app", old)
    app = space.path("app")
    before = LockFile.parse((app / "flake.lock").read_bytes())
    space.commit("lib", {"README": "x"})
    space.lock("tool", {".": {"nixpkgs": Take(at=space.tip("nixpkgs")), "lib": Take(), "same": "lib/nixpkgs"}})
    # Inputs that are moved, added, taken away, and bent to follow something else.
    new: dict[str, Take | str] = {
        "nixpkgs": Take(),
        "tool": Take(),
        "bent": "tool/same",
        "source": Take("lib", flake=False),
        "more": Take("lib"),
    }
    repos.commit(app, {"flake.nix": space.flake_nix(new)})
    message = update_and_commit(nix, app, ["nixpkgs", "source", "tool"])
    after = LockFile.parse((app / "flake.lock").read_bytes())
    lines = list(describe_all({"flake.lock": differences(before, after)}))
    assert "\n".join(lines).split("\n") == message
    kinds = {line.split(" ")[1] for line in message if line.startswith("•")}
    assert kinds == {"Added", "Removed", "Updated"}
    assert any("follows 'tool/same'" in line for line in message)


def update_and_commit(nix: RealNix, flake: Path, inputs: Sequence[str]) -> list[str]:
    """Let Nix move inputs and commit; return the lines of the message below its head."""
    names = ["update", *inputs] if nix.version >= (2, 19) else [
        "lock", *(part for name in inputs for part in ("--update-input", name))
    ]  # fmt: skip
    argv = [str(nix.path), "flake", *names, "--commit-lock-file"]
    subprocess.run(argv, cwd=flake, check=True, capture_output=True, env=os.environ)
    subject, _, head, _, *lines = run_git("log", "-1", "--format=%B", cwd=flake).split("\n")
    assert (subject, head) == ("flake.lock: Update", "Flake lock file updates:")
    return lines


def test_several_locks_are_told_one_after_the_other_each_with_its_name() -> None:
    before, after = (parse({"lib": locks.github("acme", "lib", rev=rev * 40)}) for rev in "ab")
    lines = list(describe_all({"flake.lock": differences(before, after), "dev/flake.lock": []}))
    assert lines == ["dev/flake.lock:", "flake.lock:", describe(differences(before, after)[0])]


def test_labels_do_not_count_and_order_does_not() -> None:
    document = locks.small_lock()
    other = locks.small_lock()
    other["nodes"]["renamed"] = other["nodes"].pop("source")
    other["nodes"]["root"]["inputs"]["source"] = "renamed"
    assert differences(*(LockFile.parse(locks.to_bytes(each)) for each in (document, other))) == []


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_two_locks_differ_where_their_entries_do_and_a_lock_never_from_itself(one: int, two: int) -> None:
    before, after = (LockFile.parse(locks.to_bytes(locks.random_lock(seed, nodes=8))) for seed in (one, two))
    assert differences(before, before) == []
    there = {difference.path for difference in differences(before, after)}
    assert there == {difference.path for difference in differences(after, before)}
    assert there >= entries(before).keys() ^ entries(after).keys()
    for difference in differences(before, after):
        assert describe(difference).startswith(("• Added input '", "• Removed input '", "• Updated input '"))


def test_what_comes_from_a_lock_cannot_steer_a_terminal() -> None:
    evil = locks.git("https://x.example/\x1b[31mred\x07", rev="a" * 40)
    assert "\x1b" not in told({}, {"in": evil})
    assert "\x07" not in told({}, {"in": evil})


def test_what_is_no_reference_is_shown_by_its_attributes() -> None:
    assert show_reference({"type": "new-thing", "where": "x"}) == "type=new-thing, where=x"


def test_an_input_without_a_date_has_none() -> None:
    assert told({}, {"in": locks.tarball("https://x.example/a.tar.gz")}).count("(") == 0
    dated = Input({**locks.github("a", "b").locked, "lastModified": 1_700_000_000}, locks.github("a", "b").original)
    assert told({}, {"in": dated}).endswith("(2023-11-14)")


def test_a_date_that_no_calendar_has_is_left_out() -> None:
    before = locks.github("acme", "lib", rev="1" * 40)
    after = Input({**before.locked, "rev": "2" * 40, "lastModified": 2**63 - 1}, before.original, {}, True)
    lines = told({"lib": before}, {"lib": after}).splitlines()
    assert lines[-2].endswith(")")
    assert lines[-1].startswith(f"  → 'github:acme/lib/{'2' * 40}")
    assert lines[-1].endswith("'")


def test_a_subfolder_in_the_address_as_well_is_no_difference() -> None:
    def one(url: str, dir: str = "sub") -> LockFile:
        known = locks.git("https://x.example/r")
        more = {"url": url, "dir": dir}
        return parse({"in": Input({**known.locked, **more}, {**known.original, **more})})

    plain = one("https://x.example/r")
    assert differences(plain, one("https://x.example/r?dir=sub")) == []
    assert differences(one("https://x.example/r?a=b"), one("https://x.example/r?dir=sub&a=b")) == []
    assert differences(plain, one("https://x.example/r?a=b")) != []
    assert differences(plain, one("https://x.example/r", "other")) != []


def test_a_folder_of_the_flake_is_the_same_with_and_without_its_hash() -> None:
    old, new = parse({"sub": locks.folder("./sub", {}, old=True)}), parse({"sub": locks.folder("./sub", {})})
    assert differences(old, new) == differences(new, old) == []
    other = parse({"sub": locks.folder("./other", {})})
    assert [found.path for found in differences(old, other)] == [("sub",)]
    elsewhere = parse({"sub": locks.folder("./sub", {}, parent=("x",))})
    assert [found.path for found in differences(new, elsewhere)] == [("sub",)]


def entry(**values: object) -> LockFile:
    """Return a lock with one input. values: what its node has beside, or otherwise than, one of git."""
    known = locks.git("https://acme.example/lib", rev="a" * 40)
    made = {"locked": known.locked, "original": known.original, **values}
    node = {key: value for key, value in made.items() if value is not None}
    nodes = {"root": {"inputs": {"in": "in"}}, "in": node}
    return LockFile.parse(locks.to_bytes({"nodes": nodes, "root": "root", "version": 7}))


def differ(one: LockFile, other: LockFile) -> bool:
    found = [bool(differences(one, other)), bool(differences(other, one))]
    assert found[0] == found[1]
    return found[0]


def test_a_subfolder_in_an_address_alone_is_a_difference() -> None:
    def at(url: str) -> LockFile:
        return entry(original={"type": "git", "url": url})

    assert differ(at("https://acme.example/lib"), at("https://acme.example/lib?dir=sub"))


def test_an_input_that_is_a_flake_no_more_differs_also_where_it_is_a_folder() -> None:
    folder = {"type": "path", "path": "./sub"}
    for more in ({}, {"locked": folder, "original": folder, "parent": []}):
        assert differ(entry(**more), entry(**more, flake=False))
        assert not differ(entry(**more, flake=False), entry(**more, flake=False))


def test_what_is_a_folder_in_one_lock_alone_is_compared_with_its_hash() -> None:
    other = {**locks.git("https://acme.example/lib", rev="a" * 40).locked, "narHash": locks.nar_hash_of("other")}
    assert differ(entry(), entry(locked=other))
    assert differ(entry(), entry(locked=other, parent=[]))


def test_a_reference_is_shown_without_what_only_a_lock_has() -> None:
    rev = "a" * 40
    git = {"type": "git", "url": "https://acme.example/lib", "ref": "main", "rev": rev}
    shown = show_reference({**git, "lastModified": 1_700_000_000, "revCount": 7})
    assert shown == f"git+https://acme.example/lib?ref=main&rev={rev}"


def test_a_forges_repo_in_a_subfolder_differs_by_its_commit_and_by_the_subfolder() -> None:
    def at(rev: str, dir: str) -> LockFile:
        known = locks.github("acme", "lib", rev=rev * 40)
        return entry(locked={**known.locked, "dir": dir}, original={**known.original, "dir": dir})

    assert differ(at("a", "sub"), at("b", "sub"))
    assert differ(at("a", "sub"), at("a", "other"))
    assert not differ(at("a", "sub"), at("a", "sub"))
