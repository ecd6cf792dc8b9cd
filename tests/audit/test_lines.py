"""The line of a finding is that of its node's `locked`, however the lock is laid out, and wherever it lies."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from flakesync.audit.audit import Options, audit
from flakesync.audit.lines import with_lines
from flakesync.documents.audit import AuditFinding
from flakesync.nix.lock.lines import node_lines
from flakesync.terms import RepoName
from flakesync.workspace.audit import RuleId
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.locks import Json, folder, github
from tests.support.workspaces import Scene, repo, workspace

ODD = (
    "locked",
    "nodes",
    "root",
    '"locked": {',
    "a\\b",
    "ü/é",
    "\U0001f600",
    "]}",
    ":",
    "",
    "x\u2028y",
    "tab\t",
    "nl\n",
)


class Writer:
    """Writes JSON in any layout that JSON allows, and notes the line of each key by the keys that lead to it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.parts: list[str] = []
        self.line = 1
        self.lines: dict[tuple[str, ...], int] = {}
        self.blanks = self.rng.choice((("",), (" ", "\n"), ("\r\n", "\t"), ("", "\n\n", " \n\t", "\r")))

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.line += text.count("\n")

    def blank(self) -> None:
        self.write(self.rng.choice(self.blanks))

    def text(self, text: str) -> None:
        if self.rng.random() < 0.3:
            encoded = text.encode("utf-16-be")
            units = [encoded[at : at + 2].hex() for at in range(0, len(encoded), 2)]
            self.write('"' + "".join(f"\\u{unit}" for unit in units) + '"')
        else:
            self.write(json.dumps(text, ensure_ascii=self.rng.random() < 0.5))

    def value(self, value: Any, keys: tuple[str, ...] = ()) -> None:
        self.blank()
        match value:
            case dict():
                items = [*value.items()]
                self.rng.shuffle(items)
                self.write("{")
                for number, (key, item) in enumerate(items):
                    self.write("," if number else "")
                    self.blank()
                    self.lines[(*keys, key)] = self.line
                    self.text(key)
                    self.blank()
                    self.write(":")
                    self.value(item, (*keys, key))
                self.blank()
                self.write("}")
            case list():
                self.write("[")
                for number, item in enumerate(value):
                    self.write("," if number else "")
                    self.value(item)
                self.blank()
                self.write("]")
            case str():
                self.text(value)
            case _:
                self.write(json.dumps(value))
        self.blank()


def odd_lock(seed: int) -> Json:
    """Return a lock whose words are in the wrong places: as labels, values, names of inputs, and in strings."""
    rng = random.Random(seed)
    found = locks.random_lock(seed, nodes=rng.randrange(1, 8))
    for word in rng.sample(ODD, 5):
        found["nodes"][word] = {"locked": {"type": "path", "path": word, "locked": word}, "x": [{"locked": 1}, [word]]}
    found["nodes"][rng.choice(ODD) + "2"] = {"original": {"locked": {"locked": 1}}}
    found["locked"] = {"nodes": {"lib": {"locked": {}}}}
    return found


@given(st.integers(0, 100_000))
def test_the_line_is_that_of_locked_in_every_layout(seed: int) -> None:
    lock = odd_lock(seed)
    writer = Writer(seed)
    writer.value(lock)
    wanted = {
        label: writer.lines.get(("nodes", label, "locked"), writer.lines["nodes", label]) for label in lock["nodes"]
    }
    data = "".join(writer.parts).encode()
    assert node_lines(data) == wanted
    assert node_lines(b"\xef\xbb\xbf" + data) == wanted


@given(st.integers(0, 100_000), st.booleans())
def test_what_is_indented_as_nix_does_it_is_read_quickly_and_has_the_same_lines(seed: int, plain: bool) -> None:
    data = json.dumps(odd_lock(seed), indent=2, ensure_ascii=plain).encode() + b"\n"
    slowly = node_lines(data + b" ")  # that is no layout of Nix
    assert len(slowly) > 5
    assert node_lines(data) == slowly


def test_lines_of_what_nix_writes_are_those_an_editor_shows() -> None:
    data = locks.to_bytes(locks.small_lock())
    text = ["", *data.decode().split("\n")]
    found = node_lines(data)
    assert set(found) == {"root", "lib", "nixpkgs", "nixpkgs_2", "source", "tool"}
    for label, line in found.items():
        if label == "root":
            assert text[line] == '    "root": {'
            continue
        assert text[line] == '      "locked": {'
        above = max(at for at in range(line) if text[at].startswith('    "'))
        assert text[above] == f'    "{label}": {{'


def test_of_keys_that_come_twice_the_last_one_counts_as_in_json() -> None:
    assert node_lines(b'{"nodes":{"a":{}},\n"nodes":{\n"b":{"locked":1,\n"locked":2}}}') == {"b": 4}
    assert node_lines(b'{"nodes":{"a":{"locked":1},\n"a":{"x":1}}}') == {"a": 2}
    indented = b'{\n  "nodes": {\n    "a": {}\n  },\n  "n\\u006fdes": {\n    "b": {\n      "locked": 1\n    }\n  }\n}'
    assert node_lines(indented) == {"b": 7}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b'"', b"[1]", b"null", b'{"nodes": 1}', b'{"nodes": []}', b'{"nodes": {"a": ', b"\xff\xfe{\x00}\x00",
        b'{"nodes":{"\xff":{"locked":{}}}}', b"version https://git-lfs.github.com/spec/v1\n", b"{\n<<<<<<< HEAD\n",
        b'"' + b'\\"' * 300_000, b"[" * 300_000, b'{"nodes":{"a":' * 100_000,
        b'{"nodes":{"a":{"locked' + b"\\" * 300_001,
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_lock_has_no_lines(data: bytes) -> None:
    assert node_lines(data) == {}


@given(st.binary(max_size=60) | st.text(st.sampled_from('{}[]:,"\\\n1 nodes'), max_size=60).map(str.encode))
def test_no_bytes_are_an_error(data: bytes) -> None:
    node_lines(data)


FOREIGN = github("acme", "lib", inputs={"deep": github("acme", "deep")})


def foreign_lock() -> Json:
    lock = locks.lock({"lib": FOREIGN, "sub": folder("./sub", {"nixpkgs": github("NixOS", "nixpkgs")})})
    lock["nodes"]["deep"]["locked"]["owner"] = "evil"
    return lock


def line_of(data: bytes, label: str) -> int:
    """Return the line of the first `locked` after a label."""
    lines = data.decode().split("\n")
    at = next(number for number, text in enumerate(lines) if text.strip().startswith(f'"{label}": {{'))
    return next(number for number in range(at, len(lines)) if '"locked"' in lines[number]) + 1


def test_findings_have_lines_in_folders_in_repositories_and_at_revisions(tmp_path: Path) -> None:
    old, new = locks.to_bytes(foreign_lock()), json.dumps(foreign_lock(), indent=1).encode().replace(b"\n", b"\n\n")
    (tmp_path / "plain/dev").mkdir(parents=True)
    (tmp_path / "plain/dev/flake.lock").write_bytes(old)
    first = repos.make_repo(tmp_path / "app", {"flake.nix": "{ outputs = _: { }; }", "flake.lock": old.decode()})
    repos.commit(tmp_path / "app", {"flake.lock": new.decode()})
    (tmp_path / "app/flake.lock").write_bytes(b"what is not committed is not read")
    tables = {"app": {"path": "app"}, "plain": {"path": "plain", "flakes": ["dev"]}}
    (tmp_path / "workspace.toml").write_text(tomli_w.dumps({"workspace": {"base": "main"}, "repos": tables}))
    space = load_workspace(tmp_path / "workspace.toml")
    only: frozenset[RuleId] = frozenset({"foreign"})

    def lines(*names: str, at: str = "base") -> dict[str, int | None]:
        found = audit(space, frozenset(map(RepoName, names)), Options(only=only, at=at), tmp_path / "cache")
        return {each.repo: each.line for each in found.report.findings if each.input == "lib/deep"}

    assert lines("app", "plain") == {"app": line_of(new, "deep"), "plain": line_of(old, "deep")}
    assert lines("app", at=first) == {"app": line_of(old, "deep")}


def finding(flake: str | None, input: str | None, repo: str = "lib") -> AuditFinding:
    return AuditFinding(
        rule="foreign", severity="high", repo=repo, flake=flake, input=input, line=None, source=None, locked_rev=None,
        message="", fingerprint="",
    )  # fmt: skip


def test_an_input_that_follows_is_where_it_leads_to_and_one_that_is_not_there_has_no_line(tmp_path: Path) -> None:
    inputs = {"lib": github("acme", "lib", inputs={"nixpkgs": ("nixpkgs",)}), "nixpkgs": github("NixOS", "nixpkgs")}
    (tmp_path / "flake.lock").write_bytes(data := locks.to_bytes(locks.lock(inputs)))
    scene = Scene(workspace([repo("lib", path=tmp_path)]), {"lib": inputs}, {"lib": {}})
    states = [*scene.snapshot().states.values()]
    asked = [
        finding(".", "lib/nixpkgs"), finding(".", "nixpkgs"), finding(".", "gone"), finding(".", "lib/gone/x"),
        finding(".", None), finding(None, None), finding("dev", "lib"), finding(".", "lib", "other"),
    ]  # fmt: skip
    nixpkgs = line_of(data, "nixpkgs")
    assert [each.line for each in with_lines(asked, states)] == [nixpkgs, nixpkgs, *[None] * 6]


def test_a_lock_that_is_gone_by_now_takes_no_finding_with_it(tmp_path: Path) -> None:
    scene = Scene(workspace([repo("lib", path=tmp_path)]), {"lib": {"x": github("o", "x")}}, {"lib": {}})
    asked = [finding(".", "x")]
    assert with_lines(asked, scene.snapshot().states.values()) == asked
