"""A host that cannot be reached is not tried by everybody who waits for it."""

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from flakesync.errors import GitError, HostDownError
from flakesync.git.remotes import tries
from flakesync.git.remotes.remote import Remote, list_refs
from flakesync.git.remotes.transfer import fetch, push
from tests.support.repos import make_repo

DEAD = "127.0.0.1:1"


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def ask(host: str, repo: str = "r", timeout_s: float = 30) -> GitError:
    with pytest.raises(GitError) as caught:
        list_refs(Remote(f"git://{host}/{repo}"), ["HEAD"], timeout_s=timeout_s)
    return caught.value


def test_a_host_that_refuses_is_asked_once_and_the_error_names_it_alone(started: list[str]) -> None:
    errors = [ask(DEAD, f"r{number}") for number in range(5)]
    assert started.count("ls-remote") == 1
    assert {str(error) for error in errors} == {str(errors[0])}
    assert all(isinstance(error, HostDownError) and error.host == DEAD for error in errors)
    assert str(errors[0]).startswith(f"{DEAD} cannot be reached: ")


def test_it_is_asked_again_a_little_later(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakesync.git.remotes.tries.REFUSING_FOR_S", 0.0)
    ask(DEAD)
    ask(DEAD)
    assert started.count("ls-remote") == 2


def test_a_host_that_does_not_answer_is_asked_once_too(started: list[str], silent: str) -> None:
    errors = [ask(silent, f"r{number}", timeout_s=0.3) for number in range(3)]
    assert started.count("ls-remote") == 1
    assert str(errors[2]) == f"{silent} cannot be reached: no answer within 0.3 s"


@pytest.mark.parametrize("kind", ["silent", "refusing", "unresolvable"])
def test_a_dead_host_is_asked_once_by_listing_fetching_and_pushing_alike(
    started: list[str], silent: str, tmp_path: Path, kind: str
) -> None:
    host = {"silent": silent, "refusing": DEAD, "unresolvable": "host.invalid"}[kind]
    rev = make_repo(tmp_path / "r", {"x": "1"})
    ask(host, timeout_s=0.3)
    asked = len([command for command in started if command != "config"])
    for number in range(20):
        url = f"git://{host}/r{number}"
        for again in (
            partial(list_refs, Remote(url), ["HEAD"]),
            partial(fetch, tmp_path / "r", url, ["+refs/heads/main:refs/x"]),
            partial(push, tmp_path / "r", url, "refs/heads/x", rev, old=None),
        ):
            with pytest.raises(HostDownError, match="cannot be reached: "):
                again()
    assert len([command for command in started if command != "config"]) == asked == 1


def test_one_late_answer_says_nothing_of_a_host_that_has_answered_before(started: list[str], silent: str) -> None:
    tries.note_up(f"git://{silent}/other")
    for number in range(2):
        ask(silent, f"r{number}", timeout_s=0.3)
    assert started.count("ls-remote") == 2


def test_a_host_that_has_answered_before_is_left_alone_after_two_late_answers(started: list[str], silent: str) -> None:
    tries.note_up(f"git://{silent}/other")
    for number in range(5):
        ask(silent, f"r{number}", timeout_s=0.3)
    assert started.count("ls-remote") == 2
    tries.note_up(f"git://{silent}/other")
    ask(silent, timeout_s=0.3)
    assert started.count("ls-remote") == 3
