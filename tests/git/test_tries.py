"""A server that stumbles is asked again, a little later, and not for ever; what it decides is asked once."""

import threading
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.process import Answer
from flakesync.git.remotes import tries
from flakesync.git.remotes.mirror import mirror
from flakesync.git.remotes.remote import Remote, list_refs, ls_remote, parse_remote
from flakesync.git.remotes.transfer import fetch, push
from flakesync.git.repository import Repository
from flakesync.processes import stop
from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge import Forge, faults
from tests.support.forge.client import Client, client_of

REF = "refs/heads/flakesync/update"
PUSH = "/git-receive-pack$"
STUMBLES = {
    "500": faults.answer(500),
    "502": faults.answer_after_acting(502),
    "503": faults.answer(503),
    "dropped": faults.drop_before,
    "lost": faults.drop_after,
}


@pytest.fixture
def client(forge: Forge) -> Client:
    return client_of(forge, "github")


@pytest.fixture
def clone(forge: Forge, client: Client, tmp_path: Path) -> Path:
    """A clone of the project with one more commit on its main branch."""
    repos.run_git("clone", "-q", client.git_url(), "clone", cwd=tmp_path)
    repos.commit(tmp_path / "clone", {"x": "y"})
    forge.forget_log()
    return tmp_path / "clone"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made; none takes any time."""
    made: list[float] = []

    def pause(seconds: float) -> bool:
        made.append(seconds)
        return True

    monkeypatch.setattr(stop, "pause", pause)
    return made


def remote_of(client: Client) -> Remote:
    return parse_remote(client.git_url())


def tip(path: Path) -> Rev:
    return Rev(repos.run_git("rev-parse", "main", cwd=path))


@pytest.mark.parametrize("name", STUMBLES)
@pytest.mark.parametrize("place", ["info/refs", "/git-upload-pack$"])
def test_refs_are_listed_when_the_server_has_recovered(
    forge: Forge, client: Client, slept: list[float], name: str, place: str
) -> None:
    # Where a connection that it has kept is dropped, curl itself takes another one first.
    fault = forge.faults.add(STUMBLES[name], path=place, times=3)
    assert REF not in list_refs(remote_of(client), ["refs/heads/*"])
    assert fault.hits == 3
    assert slept == [0.5, 1.0, 2.0][: len(slept)]
    assert slept


@pytest.mark.parametrize("name", STUMBLES)
def test_a_fetch_and_a_mirror_go_on_when_the_server_has_recovered(
    forge: Forge, client: Client, clone: Path, tmp_path: Path, name: str
) -> None:
    forge.faults.add(STUMBLES[name], method="POST", path="/git-upload-pack$", skip=1)
    with Repository.open(clone) as repository:
        fetch(repository.path, remote_of(client), ["+refs/heads/update:refs/x/update"])
        assert repository.ref("refs/x/update") == client.project.storage.branch("update")
    forge.faults.add(STUMBLES[name], method="POST", path="/git-upload-pack$")
    forge.faults.add(STUMBLES[name], method="POST", path="/git-upload-pack$", skip=1)
    with Repository.open(mirror(remote_of(client), tmp_path / "cache", offline=False)) as repository:
        assert repository.ref("refs/remotes/origin/update") == client.project.storage.branch("update")


@pytest.mark.parametrize("name", STUMBLES)
@pytest.mark.parametrize("place", [r"info/refs\?service=git-receive-pack", PUSH])
def test_a_push_is_made_once_whatever_becomes_of_its_answer(
    forge: Forge, client: Client, clone: Path, slept: list[float], name: str, place: str
) -> None:
    new, storage = tip(clone), client.project.storage
    with Repository.open(clone) as repository:
        for old, to in ((None, new), (new, Rev(str(storage.branch("main")))), (storage.branch("main"), None)):
            forge.faults.add(STUMBLES[name], path=place)
            push(repository.path, remote_of(client), REF, to, old=Rev(old) if old is not None else None)
            assert storage.branch("flakesync/update") == to
    assert set(slept) <= {0.5}


def test_a_lost_answer_to_a_push_that_was_carried_out_is_not_pushed_again(
    forge: Forge, client: Client, clone: Path, slept: list[float]
) -> None:
    forge.faults.add(faults.answer_after_acting(502), path=PUSH)
    with Repository.open(clone) as repository:
        push(repository.path, remote_of(client), REF, tip(clone), old=None)
    assert len(forge.requests("POST", path=PUSH)) == 1
    assert slept == []


def test_a_push_that_is_carried_out_after_the_look_is_no_failure(forge: Forge, client: Client, clone: Path) -> None:
    """The proxy gave up, the branch was still at its old place, and the server acts while git pushes again."""
    late: list[object] = []

    def give_up(request: object, perform: object) -> None:
        late.append(perform)

    def act_first(request: object, perform: object) -> object:
        late.pop()()  # type: ignore[operator]
        return perform()  # type: ignore[operator]

    forge.faults.add(give_up, path=PUSH)
    forge.faults.add(act_first, path=PUSH)  # type: ignore[arg-type]
    with Repository.open(clone) as repository:
        push(repository.path, remote_of(client), REF, tip(clone), old=None)
    assert client.project.storage.branch("flakesync/update") == tip(clone)


def test_what_somebody_pushed_meanwhile_is_not_overwritten(forge: Forge, client: Client, clone: Path) -> None:
    storage = client.project.storage
    theirs = str(storage.branch("update"))

    def overtaken(_request: object, _perform: object) -> None:
        storage.set_branch("flakesync/update", theirs, None)

    forge.faults.add(overtaken, path=PUSH)
    with Repository.open(clone) as repository, pytest.raises(GitError, match=f"is at {theirs}") as caught:
        push(repository.path, remote_of(client), REF, tip(clone), old=None)
    assert caught.value.code == "ref-moved"
    assert storage.branch("flakesync/update") == theirs


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429])
def test_what_a_server_refuses_is_asked_once(
    forge: Forge, client: Client, clone: Path, slept: list[float], status: int
) -> None:
    fault = forge.faults.add(faults.answer(status), path="info/refs", times=None)
    with pytest.raises(GitError):
        list_refs(remote_of(client), ["HEAD"])
    assert fault.hits <= (2 if status == 401 else 1)  # git shows its login when it is asked for it
    forge.faults.clear()
    fault = forge.faults.add(faults.answer(status), path=PUSH, times=None)
    with Repository.open(clone) as repository, pytest.raises(GitError):
        push(repository.path, remote_of(client), REF, tip(clone), old=None)
    assert fault.hits <= (2 if status == 401 else 1)
    assert slept == []


def test_a_server_that_does_not_recover_is_given_up_and_then_asked_once_each_time(
    forge: Forge, client: Client, clone: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = forge.faults.add(faults.answer(503), times=None)
    with pytest.raises(GitError, match="503") as caught:
        ls_remote(client.git_url(), "main")
    assert caught.value.code == "unreachable"
    assert (fault.hits, slept) == (4, [0.5, 1.0, 2.0])
    with Repository.open(clone) as repository, pytest.raises(GitError) as caught:
        push(repository.path, remote_of(client), REF, tip(clone), old=None)
    assert caught.value.code == "unreachable"
    assert len(slept) == 3
    forge.faults.clear()
    ls_remote(client.git_url(), "main")  # it is back
    forge.faults.add(faults.answer(503))
    ls_remote(client.git_url(), "main")
    assert slept == [0.5, 1.0, 2.0, 0.5]
    forge.faults.add(faults.answer(503), times=4)
    with pytest.raises(GitError):
        ls_remote(client.git_url(), "main")
    monkeypatch.setattr(tries, "DOWN_FOR_S", 0.0)
    forge.faults.add(faults.answer(503), times=4)
    with pytest.raises(GitError):
        ls_remote(client.git_url(), "main")


@pytest.mark.parametrize(
    "told",
    [
        "fatal: unable to access 'https://h/r/': The requested URL returned error: 502",
        "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nfatal: expected flush",
        "fatal: unable to access 'https://h/r/': Recv failure: Connection reset by peer",
        "fatal: unable to access 'https://h/r/': Empty reply from server",
        "fatal: unable to access 'https://h/r/': OpenSSL SSL_read: SSL_ERROR_SYSCALL, errno 104",
        "fatal: unable to access 'https://h/r/': GnuTLS recv error (-54): Error in the pull function.",
        "error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly: INTERNAL_ERROR (err 2)\nfatal: early EOF",
        "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF\nfatal: index-pack failed",
        "kex_exchange_identification: Connection closed by remote host\nfatal: Could not read from remote repository.",
        "kex_exchange_identification: read: Connection reset by peer\nfatal: Could not read from remote repository.",
        "client_loop: send disconnect: Broken pipe\nfatal: the remote end hung up unexpectedly",
        "remote: Internal Server Error\nfatal: Could not read from remote repository.",
    ],
)
def test_git_and_ssh_and_curl_say_it_in_many_ways(told: str) -> None:
    assert tries.stumbled("https://h/r", Answer(128, b"", told))
    assert tries.stumbled("git@h:r", Answer(128, b"", told))
    assert not tries.stumbled("file:///srv/r", Answer(128, b"", told))
    assert not tries.stumbled("/srv/r", Answer(128, b"", told))
    assert not tries.stumbled("https://h/r", Answer(-15, b"", told))


@pytest.mark.parametrize(
    "told",
    [
        "error: RPC failed; HTTP 403 curl 22\nsend-pack: unexpected disconnect\nfatal: the remote end hung up",
        "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\nfatal: the remote end hung up",
        "fatal: unable to access 'https://h/r/': The requested URL returned error: 429",
        "git@h: Permission denied (publickey).\nConnection closed by 10.0.0.1 port 22",
        "Host key verification failed.\nfatal: Could not read from remote repository.",
        "fatal: unable to access 'https://h/r/': Could not resolve host: h",
        "fatal: unable to access 'https://h/r/': Failed to connect to h port 443: Connection refused",
        "fatal: unable to access 'https://h/r/': SSL certificate problem: unable to get local issuer certificate",
        "fatal: couldn't find remote ref refs/heads/http500",
    ],
)
def test_a_decision_is_no_stumble(told: str) -> None:
    assert not tries.stumbled("https://h/r", Answer(128, b"", told))


def test_a_rejected_push_is_a_decision_whatever_the_server_adds() -> None:
    out = b"!\tHEAD:refs/heads/x\t[remote rejected] (pre-receive hook declined)\n"
    assert not tries.stumbled("https://h/r", Answer(1, out, "remote: the checker returned error: 503"))


def test_a_pause_ends_when_the_run_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert stop.pause(0.0)
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(stop.pause(600)))
    thread.start()
    with stop.stopping():
        thread.join(60)
        assert told == [False]
        assert not stop.pause(600)  # what was stopped before its pause begins does not wait either
    assert stop.pause(0.0)


def test_no_try_is_made_after_the_run_was_stopped(
    forge: Forge, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = forge.faults.add(faults.answer(503), times=None)
    monkeypatch.setattr(stop, "pause", lambda seconds: False)
    with pytest.raises(GitError):
        list_refs(remote_of(client), ["HEAD"])
    assert fault.hits == 1
