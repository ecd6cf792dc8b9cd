"""Rules on where sources are from: one repository in two spellings is never accused, another one always is."""

from collections.abc import Mapping

import msgspec
import pytest

from flakesync.audit.audit import make_context
from flakesync.audit.engine import find_findings
from flakesync.audit.rule import Rule
from flakesync.audit.rules.source import cleartext, foreign, indirect, local_path, look_alike, nixpkgs_fork, not_allowed
from flakesync.nix.reference.flakeref import Attr
from flakesync.terms import RepoName
from flakesync.workspace.audit import AuditSettings
from flakesync.workspace.snapshot import Snapshot
from tests.audit.rules.ask import ask, said
from tests.support import locks
from tests.support.locks import Input, Inputs, folder, github
from tests.support.workspaces import NOW, commit_id, pin, repo, state_of, workspace

REV = "a" * 40
FETCHED = {"narHash": locks.nar_hash_of("x"), "lastModified": 1}

Attrs = Mapping[str, Attr]


def tarball(url: str, **more: Attr) -> dict[str, Attr]:
    return {"type": "tarball", "url": url, **more}


def hub(owner: str, name: str, **more: Attr) -> dict[str, Attr]:
    return {"type": "github", "owner": owner, "repo": name, **more}


def git(url: str, **more: Attr) -> dict[str, Attr]:
    return {"type": "git", "url": url, **more}


def one(original: Attrs, locked: Attrs) -> Inputs:
    return {"lib": Input({**FETCHED, **locked}, dict(original))}


ACME = hub("acme", "lib")
ARCHIVE = tarball("https://github.com/acme/lib/archive/main.tar.gz")
FLAKEHUB = tarball("https://flakehub.com/f/acme/lib/*.tar.gz")
CHANNEL = tarball("https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz")
RELEASE = "https://releases.nixos.org/nixos/{0}/nixos-{0}.1.abc/nixexprs.tar.xz"


@pytest.mark.parametrize(
    ("original", "locked"),
    [
        (ARCHIVE, tarball(f"https://github.com/evil/lib/archive/{REV}.tar.gz")),
        (ARCHIVE, tarball(f"https://codeload.github.com/evil/lib/tar.gz/{REV}")),
        (ARCHIVE, tarball(f"https://github.com/acme/lib/archive/../../../evil/lib/archive/{REV}.tar.gz")),
        (ARCHIVE, tarball(f"https://github.com/acme/lib/archive/%2e%2e/.%2E/../evil/lib/archive/{REV}.tar.gz")),
        (FLAKEHUB, tarball("https://api.flakehub.com/f/pinned/acme/lib/../../evil/lib/0.1/x/source.tar.gz")),
        (ARCHIVE, hub("evil", "lib", rev=REV)),
        (ARCHIVE, git("https://github.com/evil/lib", rev=REV)),
        (FLAKEHUB, tarball("https://api.flakehub.com/f/pinned/evil/lib/0.1.1/x/source.tar.gz", rev=REV)),
        (FLAKEHUB, tarball("https://evil.example/x.tar.gz")),
        (CHANNEL, tarball(RELEASE.format("24.05"))),
        (CHANNEL, tarball("https://evil.example/nixexprs.tar.xz")),
        (ACME, hub("evil", "lib", rev=REV)),
        (ACME, hub("acme", "lib", host="evil.example", rev=REV)),
        (ACME, {"type": "gitlab", "owner": "acme", "repo": "lib", "rev": REV}),
        (ACME, tarball(f"https://github.com/evil/lib/archive/{REV}.tar.gz")),
        (ACME, tarball("https://evil.example/x.tar.gz")),
        (ACME, {"type": "file", "url": "https://evil.example/x"}),
        (ACME, {"type": "path", "path": "/nix/store/abc-source"}),
        (ACME, {"type": "path", "path": "./evil"}),
        (ACME, {"type": "indirect", "id": "lib"}),
        (git("ssh://git@git.example.com/acme/lib"), git("https://git.example.com/evil/lib", rev=REV)),
        (hub("acme", "lib", dir="sub"), hub("acme", "lib", rev=REV)),
    ],
)  # fmt: skip
def test_another_repository_is_foreign_whatever_the_two_are_spelled_as(original: Attrs, locked: Attrs) -> None:
    found = ask(foreign.RULE, one(original, locked))
    ((path, severity, _),) = said(found)
    assert (path, severity, found.unchecked) == ("lib", "high", [])


@pytest.mark.parametrize(
    ("original", "locked"),
    [
        (ACME, hub("Acme", "LIB", rev=REV)),
        (ACME, git("https://github.com/acme/lib.git", rev=REV)),
        (git("ssh://git@github.com/acme/lib"), hub("acme", "lib", rev=REV)),
        (git("https://git.example.com:443/acme/lib.git"), git("ssh://git@git.example.com/acme/lib", rev=REV)),
        (ARCHIVE, tarball(f"https://codeload.github.com/acme/lib/tar.gz/{REV}")),
        (ARCHIVE, hub("acme", "lib", rev=REV)),
        (CHANNEL, tarball(RELEASE.format("25.11"))),
        (FLAKEHUB, tarball("https://api.flakehub.com/f/pinned/acme/lib/0.1.1/x/source.tar.gz", rev=REV)),
        (tarball("https://get.example/lib.tar.gz"), tarball("https://get.example/lib.tar.gz")),
        ({"type": "indirect", "id": "nixpkgs"}, hub("NixOS", "nixpkgs", rev=REV)),
        ({"type": "indirect", "id": "flake-utils"}, hub("numtide", "flake-utils", rev=REV)),
    ],
)  # fmt: skip
def test_one_repository_is_not_foreign_to_itself(original: Attrs, locked: Attrs) -> None:
    found = ask(foreign.RULE, one(original, locked))
    assert (said(found), found.unchecked) == ([], [])


@pytest.mark.parametrize(
    ("original", "locked"),
    [
        ({"type": "indirect", "id": "nixpkgs"}, hub("evil", "nixpkgs", rev=REV)),
        ({"type": "indirect", "id": "lib"}, hub("acme", "lib", rev=REV)),
        ({"type": "indirect", "id": "nix"}, {"type": "path", "path": "/nix/store/abc-source"}),
        (tarball("https://get.example/lib.tar.gz"), tarball(f"https://github.com/acme/lib/archive/{REV}.tar.gz")),
    ],
)  # fmt: skip
def test_what_nobody_can_know_is_unchecked(original: Attrs, locked: Attrs) -> None:
    found = ask(foreign.RULE, one(original, locked))
    assert not said(found)
    (unchecked,) = found.unchecked
    assert unchecked.rule == "foreign"
    assert unchecked.input == "lib"


def test_a_name_of_the_registry_may_lead_to_what_the_manifest_pins() -> None:
    mine = one({"type": "indirect", "id": "nixpkgs"}, hub("serokell", "nixpkgs", rev=REV))
    found = ask(foreign.RULE, mine, pins=[pin("nixpkgs", "github:serokell/nixpkgs/main")])
    assert (said(found), found.unchecked) == ([], [])


def test_two_places_of_one_repo_of_the_workspace_are_the_same() -> None:
    made = workspace([repo("app"), repo("lib", aliases=["github:old-owner/lib"])])
    state = state_of(repo("app"), one(hub("old-owner", "lib"), hub("acme", "lib", rev=REV)), commit_id("app"))
    states = {
        RepoName("app"): state,
        RepoName("lib"): state_of(repo("lib", aliases=["github:old-owner/lib"]), {}, None),
    }
    context = make_context(Snapshot(made, "base", states), now=NOW)
    assert not find_findings(context, [state], [foreign.RULE]).findings


@pytest.mark.parametrize(
    ("locked", "severity"),
    [
        ({"type": "path", "path": "/home/me/lib"}, "high"),
        (git("file:///home/me/lib", rev=REV), "high"),
        (git("FILE:///home/me/lib", rev=REV), "high"),
        (git("git+file:///home/me/lib", rev=REV), "high"),
        (tarball("file:///home/me/lib.tar.gz"), "high"),
        ({"type": "file", "url": "file:///etc/passwd"}, "high"),
        ({"type": "path", "path": "/nix/store/abc-source"}, "low"),
        ({"type": "path", "path": "./sub"}, None),
        (git("https://h/file:///x", rev=REV), None),
        (hub("o", "file", rev=REV), None),
    ],
)
def test_a_path_of_one_machine(locked: Attrs, severity: str | None) -> None:
    found = said(ask(local_path.RULE, one(locked, locked)))
    assert [each[1] for each in found] == ([severity] if severity is not None else [])


def test_a_path_that_the_manifest_names_is_fine() -> None:
    inputs = one(git("file:///srv/nixpkgs"), git("file:///srv/nixpkgs", rev=REV))
    assert not said(ask(local_path.RULE, inputs, pins=[pin("nixpkgs", "git+file:///srv/nixpkgs?ref=main")]))
    assert said(ask(local_path.RULE, inputs, pins=[pin("nixpkgs", "git+file:///srv/other?ref=main")]))


@pytest.mark.parametrize(
    ("url", "fires"),
    [
        ("http://h/x", True), ("git://h/x", True), ("ftp://h/x", True), ("HTTP://h/x", True), ("git+http://h/x", True),
        ("https://h/x", False), ("ssh://git@h/x", False), ("file:///x", False), ("https://h/?u=http://x", False),
    ],
)  # fmt: skip
def test_an_address_without_encryption(url: str, fires: bool) -> None:
    assert bool(said(ask(cleartext.RULE, one(git(url), git(url, rev=REV))))) is fires
    assert bool(said(ask(cleartext.RULE, one(git(url), git("https://h/x", rev=REV))))) is fires


def allowing(*globs: str) -> AuditSettings:
    return AuditSettings(allow=globs)


@pytest.mark.parametrize(
    ("locked", "fires"),
    [
        (hub("acme", "x", rev=REV), False),
        (hub("ACME", "x", rev=REV), False),
        (git("ssh://git@github.com/acme/x.git", rev=REV), False),
        (tarball(f"https://github.com/acme/x/archive/{REV}.tar.gz"), False),
        (hub("acme-evil", "x", rev=REV), True),
        (hub("acme", "x", host="evil.example", rev=REV), True),
        (git("https://github.com/acme/../evil/x", rev=REV), True),
        (tarball(f"https://github.com/acme/x/archive/../../../evil/x/archive/{REV}.tar.gz"), True),
        (git("https://github.com.evil.example/acme/x", rev=REV), True),
        ({"type": "path", "path": "/home/me/x"}, True),
    ],
)
def test_only_what_is_allowed_may_be_locked(locked: Attrs, fires: bool) -> None:
    found = said(ask(not_allowed.RULE, one(locked, locked), settings=allowing("github:acme/*")))
    assert [each[1] for each in found] == (["high"] if fires else [])
    assert not said(ask(not_allowed.RULE, one(locked, locked)))


def test_what_the_manifest_names_is_allowed_and_so_are_its_own_folders() -> None:
    inputs = {"nixpkgs": github("NixOS", "nixpkgs"), "sub": folder("./sub", {})}
    pins = [pin("nixpkgs", "github:NixOS/nixpkgs/main")]
    assert not said(ask(not_allowed.RULE, inputs, settings=allowing("github:acme/*"), pins=pins))
    assert said(ask(not_allowed.RULE, inputs, settings=allowing("github:acme/*")))
    assert not said(ask(not_allowed.RULE, {"x": github("any", "x")}, settings=allowing("*")))
    assert said(ask(not_allowed.RULE, {"x": github("any", "x")}, settings=allowing()))


@pytest.mark.parametrize(
    ("owner", "name", "fires"),
    [("NixOS", "nixpkgs", False), ("nixos", "NIXPKGS", False), ("me", "nixpkgs", True), ("me", "my-nixpkgs", False)],
)
def test_a_fork_of_nixpkgs(owner: str, name: str, fires: bool) -> None:
    assert bool(said(ask(nixpkgs_fork.RULE, {"x": github(owner, name)}))) is fires
    assert not said(ask(nixpkgs_fork.RULE, {"x": github(owner, name)}, pins=[pin("n", f"github:{owner}/{name}/main")]))


def test_only_an_input_of_the_repos_own_through_the_registry_is_told() -> None:
    by_name = Input(hub("o", "lib", rev=REV), {"type": "indirect", "id": "lib"})
    found = ask(indirect.RULE, {"a": by_name, "b": github("o", "b", inputs={"c": by_name})})
    assert [each[0] for each in said(found)] == ["a"]


SPELLINGS = (
    hub("acme", "lib", rev=REV),
    hub("Acme", "Lib", rev=REV),
    git("https://github.com/acme/lib", rev=REV),
    git("https://github.com/acme/lib.git", rev=REV),
    git("ssh://git@github.com/acme/lib.git", rev=REV),
    git("ssh://git@github.com:22/acme/lib", rev=REV),
)


@pytest.mark.parametrize(
    "rule", [foreign.RULE, nixpkgs_fork.RULE, not_allowed.RULE, look_alike.RULE], ids=lambda rule: str(rule.id)
)
def test_how_one_repository_is_spelled_never_changes_the_answer(rule: Rule) -> None:
    answers = set()
    for locked in SPELLINGS:
        settings = AuditSettings(allow=("github:other/*",))
        found = ask(rule, {"a": Input({**FETCHED, **locked}, ACME), "b": github("acne", "lib")}, settings=settings)
        answers.add(tuple(each[:2] for each in said(found)))
    assert len(answers) == 1


def test_no_control_character_of_a_lock_is_in_a_message() -> None:
    bad = git("https://h/\x1b[31m/x", rev=REV)
    for rule in (foreign.RULE, local_path.RULE, cleartext.RULE, not_allowed.RULE, look_alike.RULE):
        found = ask(rule, one(ACME, bad), settings=allowing("github:acme/*"))
        assert "\x1b" not in msgspec.json.encode([each[2] for each in said(found)]).decode()
