"""One repository has one identity, however it is written; two repositories never share one."""

import json
import string
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from flakesync.nix.reference.flakeref import FlakeRef, Identity, identity_of, identity_of_url
from flakesync.nix.reference.identity import of_tarball
from tests.corpus.real_locks import CORPUS, needs_real_locks

REV = "0123456789abcdef0123456789abcdef01234567"


class Repo(NamedTuple):
    host: str
    owner: str
    name: str


def spellings(repo: Repo) -> list[str]:
    """Return the ways in which people and tools write one repository."""
    host, owner, name = repo
    flat, encoded, path = owner, owner.replace("/", "%2F"), f"{owner}/{name}"
    found = [
        *(f"git+{scheme}://{user}{host}{port}/{path}{ending}"
          for scheme, user, port in (("https", "", ""), ("https", "u:secret@", ":443"), ("ssh", "git@", ""),
                                     ("ssh", "git@", ":22"), ("http", "", ":80"))
          for ending in ("", ".git", "/", ".git/", "?ref=main&dir=sub", f"?rev={REV}")),
        f"https://{host}/{path}", f"https://{host}/{path}.git", f"ssh://git@{host}/{path}.git",
        f"git@{host}:{path}.git", f"{host}:{path}", f"git@{host}:/{path}", f"git://{host}:9418/{path}", f"git+https://{host.upper()}/{path}",
        f"git+ssh://git@{host}/{path.replace('/', '%2f', 1)}",
        f"https://{host}/{path}/archive/{REV}.tar.gz",
        f"tarball+https://{host}/{path}/archive/refs/heads/main.zip?dir=x",
        f"https://{host}/{path}/-/archive/{REV}/{name}-{REV}.tar.gz",
        f"https://{host}/api/v1/repos/{path}/archive/{REV}.tar.gz?rev={REV}" if "/" not in flat else None,
        f"https://{host}/api/v3/repos/{path}/tarball/{REV}" if "/" not in flat else None,
        f"https://{host}/api/v4/projects/{encoded}%2F{name}/repository/archive.tar.gz?sha={REV}",
        f"gitlab:{encoded}/{name}?host={host}", f"gitlab:{encoded}/{name}/main?host={host}",
        f"gitlab:{owner.replace('/', '%252F')}/{name}?host={host}&dir=d",
        *([f"github:{path}?host={host}", f"sourcehut:{path}/{REV}?host={host}"] if "/" not in owner else []),
    ]  # fmt: skip
    return [each for each in found if each]


WORD = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
OWNERS = st.lists(WORD, min_size=1, max_size=3).map("/".join)
HOSTS = st.builds("{}.{}.example".format, WORD.map(lambda word: word.lower().replace("_", "x")), st.sampled_from("ab"))
REPOS = st.builds(Repo, HOSTS, OWNERS, WORD)


def readable(repo: Repo) -> bool:
    """Say whether no part of the path is a word that archive URLs are recognised by."""
    return not {"archive", "api", "repos", "f", "d"} & {*repo.owner.split("/"), repo.name}


@given(REPOS)
@example(Repo("git.example.org", "acme/team/sub", "Lib"))
def test_all_spellings_of_one_repository_give_one_identity(repo: Repo) -> None:
    assume(readable(repo))
    wanted = Identity(repo.host, f"{repo.owner}/{repo.name}")
    assert {each: identity_of_url(each) for each in spellings(repo)} == dict.fromkeys(spellings(repo), wanted)


@given(REPOS, REPOS)
def test_two_repositories_never_give_one_identity(one: Repo, other: Repo) -> None:
    assume(one != other and readable(one) and readable(other))
    assume(f"{one.owner}/{one.name}" != f"{other.owner}/{other.name}" or one.host != other.host)
    assert not {identity_of_url(each) for each in spellings(one)} & {identity_of_url(each) for each in spellings(other)}


@pytest.mark.parametrize(
    "spelling",
    [
        "github:NixOS/NixPkgs",
        f"github:nixos/nixpkgs/{REV}",
        "github:nixos/nixpkgs?host=github.com",
        "git@github.com:nixos/nixpkgs.git",
        "git+ssh://git@ssh.github.com:443/NixOS/nixpkgs",
        "https://www.github.com/nixos/nixpkgs/",
        "https://github.com/NixOS/nixpkgs/archive/master.tar.gz",
        "https://github.com/NixOS/nixpkgs/tarball/master",
        "https://api.github.com/repos/NixOS/nixpkgs/tarball/master",
        "https://codeload.github.com/NixOS/nixpkgs/tar.gz/refs/heads/master",
    ],
)
def test_github_has_more_spellings_and_folds_case(spelling: str) -> None:
    assert identity_of_url(spelling) == ("github.com", "nixos/nixpkgs")


@pytest.mark.parametrize(
    ("spelling", "wanted"),
    [
        ("gitlab:o/r", "gitlab.com/o/r"),
        ("sourcehut:~u/r", "git.sr.ht/~u/r"),
        ("https://git.sr.ht/~u/r/archive/main.tar.gz", "git.sr.ht/~u/r"),
        ("https://bitbucket.org/o/r/get/main.tar.gz", "bitbucket.org/o/r"),
        ("https://gitlab.com/O/r", "gitlab.com/O/r"),
        ("git+ssh://git@git.example.org:2222/o/r", "git.example.org:2222/o/r"),
        ("git+ssh://git@[::1]:22/o/r", "[::1]/o/r"),
        # What old Nix takes for a URL and git does not: the meaning is plain all the same.
        ("git+ssh://git@git.example.org:o/r", "git.example.org/o/r"),
        ("https://flakehub.com/f/NixOS/nixpkgs/0.2411.*", "flakehub.com/NixOS/nixpkgs"),
        ("https://api.flakehub.com/f/pinned/NixOS/nixpkgs/0.1%2Brev-x/y/source.tar.gz", "flakehub.com/NixOS/nixpkgs"),
        *(
            (f"https://{place}/nixexprs.tar.xz", f"channels.nixos.org/{channel}")
            for place, channel in (
                ("channels.nixos.org/nixos-25.11", "nixos-25.11"),
                ("nixos.org/channels/nixos-25.11", "nixos-25.11"),
                ("releases.nixos.org/nixos/25.11/nixos-25.11.1.abc", "nixos-25.11"),
                ("releases.nixos.org/nixos/unstable-small/nixos-26.05pre1.abc", "nixos-unstable-small"),
                ("releases.nixos.org/nixpkgs/25.11-darwin/nixpkgs-25.11-darwin1.abc", "nixpkgs-25.11-darwin"),
                ("releases.nixos.org/nixpkgs/nixpkgs-26.05pre1.abc", "nixpkgs-unstable"),
            )
        ),
        *(
            (f"https://mirror.example/{place}/nixexprs.tar.xz", f"mirror.example/{place}/nixexprs.tar.xz")
            for place in ("nixos-25.11", "channels/nixos-25.11", "nixos/25.11/nixos-25.11.1", "nixpkgs/nixpkgs-26.05")
        ),
        ("git+file:///.git", "/"),
        ("https://h.example/a/x.tar.gz", "h.example/a/x.tar.gz"),
        (f"https://h.example/get?p=x&rev={REV}", "h.example/get?p=x"),
        ("https://github.com/o/r/releases/download/v1/x.tar.gz", "github.com/o/r/releases/download/v1/x.tar.gz"),
    ],
)
def test_a_repository_is_shown_as_host_and_path(spelling: str, wanted: str) -> None:
    assert str(identity_of_url(spelling)) == wanted


@pytest.mark.parametrize(
    "spelling", ["nixpkgs", "flake:nixpkgs/x", "./x", "path:../x", "", "githb:o/r", "GitHub:o/r", "git+https://"]
)
def test_what_names_no_repository_has_no_identity(spelling: str) -> None:
    assert identity_of_url(spelling) is None


def test_a_local_repository_is_its_real_path(tmp_path: Path) -> None:
    repo = tmp_path / "my repo"
    repo.mkdir()
    (tmp_path / "link").symlink_to(repo)
    quoted = str(repo).replace(" ", "%20")
    wanted = Identity("", str(repo.resolve()))
    for spelling in (
        *(f"git+file://{quoted}", f"git+file:{quoted}", f"git+file://{quoted}/?ref=main", f"file://{quoted}/.git"),
        *(f"path:{quoted}?dir=x", str(repo), f"{tmp_path}/link", f"{tmp_path}/link/.git", f"{tmp_path}//./my repo/"),
    ):
        assert identity_of_url(spelling) == wanted, spelling
    assert str(wanted) == str(repo.resolve())
    assert identity_of_url(f"git+file://{tmp_path}/other") != wanted


def test_a_locked_node_and_its_reference_are_the_same_repository() -> None:
    original = {"type": "github", "owner": "Acme", "repo": "lib", "ref": "main", "dir": "sub"}
    locked = {"type": "git", "url": "ssh://git@github.com/acme/lib.git", "rev": REV, "lastModified": 1, "narHash": "x"}
    assert identity_of(original) == identity_of(locked) == FlakeRef.from_attrs(original).identity


ODD_TEXTS = [
    *(
        "github",
        "gitlab",
        "git",
        "hg",
        "path",
        "tarball",
        "file",
        "http://[::1",
        "ssh://%ff/x",
        "/\0",
        "\ud800",
        "/x/%",
    ),
    *(
        "file:///%ff",
        "https://h:99999999/x",
        "git@",
        ":",
        "//",
        "https://@/",
        "file:",
        "[",
        "git+a://b?c#d",
        "https://",
    ),
]
ODD_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.lists(st.text()), st.sampled_from(ODD_TEXTS)
)
ODD_ATTRS = st.dictionaries(st.sampled_from(["type", "owner", "repo", "host", "url", "path", "x"]), ODD_VALUES)
STARTS = st.sampled_from(["", "git+ssh://", "github:", "/", "https://", "file:", "git@h:"])


@given(st.one_of(ODD_VALUES, ODD_ATTRS))
def test_odd_input_has_some_identity_or_none_and_never_an_error(odd: Any) -> None:
    found = identity_of(odd)
    assert found is None or isinstance(found, Identity)


@pytest.mark.parametrize("type_", ["github", "gitlab", "sourcehut", "git", "hg", "tarball", "file", "path", "indirect"])
@pytest.mark.parametrize("key", ["owner", "repo", "host", "url", "path", "id"])
def test_an_odd_value_of_any_attribute_is_no_error(type_: str, key: str) -> None:
    usual = {"type": type_, "owner": "o", "repo": "r", "url": "https://h/x", "path": "/x", "id": "x"}
    for odd in (None, True, 5, ["x"], "", "/", *ODD_TEXTS):
        found = identity_of({**usual, key: odd})
        assert found is None or isinstance(found, Identity)
    assert identity_of({"type": "github", "owner": "o", "repo": "r", "host": 5}) == identity_of_url("github:o/r")
    for url in ("https://", "https://[::1/x", "https://[x]y/z"):
        # Asked by itself too: `identity_of` would take what a mistake raises for an odd value.
        assert of_tarball(url) is identity_of({"type": "tarball", "url": url}) is None


@given(st.builds("{}{}".format, STARTS, st.text(max_size=12)))
def test_any_text_has_some_identity_or_none_and_never_an_error(text: str) -> None:
    found = identity_of_url(text)
    assert found is None or isinstance(found, Identity)


@needs_real_locks
def test_real_locks_lock_the_repository_that_they_name() -> None:
    """In 93 published locks the two differ only where an override of `flake = false` placeholders says so."""
    foreign = set()
    for file in CORPUS.glob("*/*/*/flake.lock"):
        for node in json.loads(file.read_bytes())["nodes"].values():
            locked, original = node.get("locked"), node.get("original")
            if locked and original and identity_of(original) and identity_of(locked) != identity_of(original):
                foreign.add(str(identity_of(locked)))
    assert foreign <= {"github.com/input-output-hk/empty-flake", "github.com/divnix/blank"}
