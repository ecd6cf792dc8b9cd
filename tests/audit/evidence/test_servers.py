"""Servers that are old or stuck: one that serves files alone, and one that hangs in the middle of a fetch."""

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from flakesync.audit.evidence.contents import find_contents
from flakesync.audit.evidence.histories import find_histories
from flakesync.audit.evidence.model import CommitKey, ContentEvidence, HistoryEvidence, Unknown
from flakesync.git import process
from flakesync.git.remotes import remote, tries
from flakesync.nix.reference.identity import Identity
from flakesync.terms import Rev
from tests.support import repos
from tests.support.slow_server import slow_server


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder and give its address: all that git's dumb transport asks for."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    tries.forget()
    yield
    tries.forget()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of git that were started, in order."""
    commands: list[str] = []
    real = process.git

    def git(argv: list[str], **values: object) -> process.Answer:
        commands.append(argv[0])
        return real(argv, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", git)
    return commands


def key_of(url: str, rev: Rev, *, counted: bool = False) -> CommitKey:
    return CommitKey(
        Identity("example.com", url), url, "main", any_ref=False, rev=rev, counted=counted, served=False,
        submodules=False,
    )  # fmt: skip


def histories(cache: Path, *keys: CommitKey) -> list[HistoryEvidence | Unknown]:
    claims: Mapping[CommitKey, int] = dict.fromkeys(keys, repos.DATE)
    found = find_histories(keys, claims, {}, None, cache, jobs=4, offline=False)
    return [found[key] for key in keys]


def contents(cache: Path, *keys: CommitKey) -> list[ContentEvidence | Unknown]:
    found = find_contents(keys, {}, None, cache, jobs=4, offline=False)
    return [found[key] for key in keys]


def test_a_server_of_files_alone_gives_the_same_answers(tmp_path: Path) -> None:
    path = tmp_path / "served" / "lib.git"
    old = repos.make_bare(path, {"f": "0"})
    tip = repos.commit(path, {"f": "1"})
    stray = repos.commit(path, {"f": "2"}, branch="stray", parents=[old])
    pulled = repos.commit(path, {"f": "3"}, branch="pull", parents=[old])
    repos.run_git("update-ref", "refs/pull/1/head", pulled, cwd=path)
    repos.run_git("update-ref", "-d", "refs/heads/pull", cwd=path)
    repos.run_git("update-server-info", cwd=path)
    direct = f"file://{path}"
    with file_server(tmp_path / "served") as url:
        found = []
        for number, address in enumerate((f"{url}/lib.git", direct)):
            cache = tmp_path / f"cache{number}"
            keys = [key_of(address, rev, counted=True) for rev in (old, tip, stray, pulled)]
            found.append((histories(cache, *keys), contents(cache, *keys[:2])))
    (standings, hashes), expected = found
    assert [getattr(each, "standing", each) for each in standings] == ["on-branch", "on-branch", "on-other", "nowhere"]
    assert (standings, hashes) == expected


def advertised(path: Path) -> bytes:
    """Return what a server answers first: the branches and tags of a repository."""
    refs = process.git(["upload-pack", "--stateless-rpc", "--advertise-refs", str(path)]).out
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: %d\r\n\r\n"
    body = b"001e# service=git-upload-pack\n0000" + refs
    return head % len(body) + body


def test_a_server_that_hangs_in_a_fetch_is_unchecked_once_and_others_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[str]
) -> None:
    monkeypatch.setattr(remote, "_PATIENCE", (("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "1")))
    stuck, fine, cache = tmp_path / "stuck.git", tmp_path / "fine.git", tmp_path / "cache"
    revs = {path: [repos.make_bare(path, {"f": path.name}), repos.commit(path, {"f": "1"})] for path in (stuck, fine)}
    repos.run_git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=stuck)
    with slow_server(before=advertised(stuck)) as server:
        hanging = [key_of(f"{server.url}/stuck.git", rev) for rev in revs[stuck]]
        good = [key_of(f"file://{fine}", rev) for rev in revs[fine]]
        standings = histories(cache, *hanging, *good)
        assert started.count("fetch") == 2
        hashes = contents(cache, *hanging, *good)
        assert started.count("fetch") == 2 + 3  # both commits together, then the first of them alone
    for answers in (standings, hashes):
        reasons = [each.reason for each in answers[:2] if isinstance(each, Unknown)]
        assert [f"{server.url}/stuck.git" in reason and "too slow" in reason for reason in reasons] == [True, True]
        assert not any(isinstance(each, Unknown) for each in answers[2:])
