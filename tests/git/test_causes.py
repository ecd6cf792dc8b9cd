"""Why a server could not be used: the words of git, ssh and curl, recorded from real ones, and the hint for each."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from flakesync.errors import GitError, HostDownError, NoAnswerError
from flakesync.git.process import Answer
from flakesync.git.remotes.remote import Remote, explain, list_refs, parse_remote

COULD_NOT_READ = """\
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""
CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Add correct host key in /home/u/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/u/.ssh/known_hosts:1
Host key for [h]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""
OPEN_KEY = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Permissions 0644 for '/home/u/.ssh/id' are too open.
It is required that your private key files are NOT accessible by others.
This private key will be ignored.
Load key "/home/u/.ssh/id": bad permissions
git@h: Permission denied (publickey,keyboard-interactive).
"""
GITLAB = """\
remote: 
remote: ========================================================================
remote: 
remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.

remote: 
remote: ========================================================================
remote: 
"""  # noqa: W291
SSH = "git@h:o/r"
WEB = "https://h/o/r"


def explained(url: str, err: str, command: str = "fetch") -> GitError:
    return explain(command, parse_remote(url), Answer(128, b"", err))


@pytest.mark.parametrize(
    ("err", "says", "hint"),
    [
        ("Host key verification failed.\n", "Host key verification failed", "known_hosts"),
        (CHANGED, "Host key for [h]:2222 has changed", "ssh-keygen -R"),
        (OPEN_KEY, "Permission denied (publickey,keyboard-interactive)", "chmod 600"),
        ("git@h: Permission denied (publickey).\n", "Permission denied (publickey)", "into an agent"),
        (
            "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n",
            "Too many",
            "IdentitiesOnly",
        ),
        ("ERROR: Repository not found.\n", "Repository not found", "into an agent"),
        (GITLAB, "The project you were looking for could not be found", "into an agent"),
    ],
)
def test_who_is_not_let_in_by_ssh_is_told_why(err: str, says: str, hint: str) -> None:
    error = explained(SSH, err + COULD_NOT_READ)
    assert error.code == "access-denied"
    assert says in error.message
    assert "Could not read from remote" not in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("url", "err", "says", "hint"),
    [
        (SSH, "ssh: connect to host h port 22: Network is unreachable\n" + COULD_NOT_READ, "Network is unreach", "up"),
        (SSH, "ssh: connect to host h port 22: Connection refused\r\n" + COULD_NOT_READ, "Connection refused", "up"),
        (SSH, "ssh: Could not resolve hostname h: Name or service not known\n", "Could not resolve hostname h", "DNS"),
        (WEB, "fatal: unable to access 'https://h/o/r/': Could not resolve host: h\n", "Could not resolve host", "DNS"),
        (
            WEB,
            "fatal: unable to access 'https://h/o/r/': Could not resolve proxy: x\n",
            "resolve proxy: x",
            "https_proxy",
        ),
        (
            WEB,
            "fatal: unable to access 'https://h/o/r/': Unsupported proxy syntax in ':'\n",
            "proxy syntax",
            "https_proxy",
        ),
        (
            WEB,
            "fatal: unable to access 'https://h/o/r/': CONNECT tunnel failed, response 407\n",
            "407",
            "USER:PASSWORD",
        ),
        (WEB, "fatal: unable to access 'https://h/o/r/': The requested URL returned error: 407\n", "407", "USER:PASSW"),
        (
            WEB,
            "fatal: unable to access 'https://h/o/r/': SSL certificate problem: unable to get local issuer certificate",
            "SSL certificate problem",
            "ca-file",
        ),
        (
            "git://h/r",
            "fatal: unable to connect to h:\nh[0: 127.0.0.1]: errno=Connection refused\n",
            "errno=Connection refused",
            "up",
        ),
    ],
)
def test_a_host_that_nobody_reaches_is_named_with_the_cause_and_not_with_one_repository(
    url: str, err: str, says: str, hint: str
) -> None:
    error = explained(url, err)
    assert isinstance(error, HostDownError)
    assert error.message.startswith("h cannot be reached: ")
    assert says in error.message
    assert "o/r" not in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("err", "hint"),
    [
        ("error: cannot run ssh: No such file or directory\nfatal: unable to fork\n", "install ssh"),
        ("error: cannot run my-ssh: No such file or directory\nfatal: unable to fork\n", "core.sshCommand"),
        ("command-line: line 0: Bad configuration option: foo\n" + COULD_NOT_READ, "ssh's settings"),
        ("git: 'remote-https' is not a git command. See 'git --help'.\n", "lacks"),
    ],
)
def test_what_does_not_even_run_is_not_the_servers_fault(err: str, hint: str) -> None:
    error = explained(SSH, err)
    assert error.code == "no-transport"
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "err",
    [
        "fatal: unable to access 'https://h/o/certificate/': The requested URL returned error: 403\n",
        "remote: could not resolve host\nfatal: unable to access 'https://h/r': The requested URL returned error: 403",
    ],
)
def test_what_a_repository_is_called_or_a_server_says_of_itself_makes_no_host_unreachable(err: str) -> None:
    assert explained(WEB, err).code == "access-denied"


def test_a_repository_on_this_machine_has_no_host_to_be_down() -> None:
    missing = "fatal: '/srv/certificate' does not appear to be a git repository\n" + COULD_NOT_READ
    error = explained("/srv/certificate", missing)
    assert (error.code, error.hint) == ("unreachable", "there is no repository at that address")


def test_words_that_nobody_knows_are_shown_as_they_are() -> None:
    error = explained(SSH, "kex_exchange_identification: Connection closed by remote host\n" + COULD_NOT_READ)
    assert error.message == f"{SSH}: kex_exchange_identification: Connection closed by remote host"
    assert explained(SSH, COULD_NOT_READ).message == f"{SSH}: Could not read from remote repository"


def test_a_full_disk_here_is_named_with_its_folder_and_one_there_is_the_servers() -> None:
    full = "fatal: write error: No space left on device\n"
    here = explain("fetch", Remote(WEB), Answer(128, b"", full, "/cache/mirrors/r"))
    assert (here.code, here.message) == (
        "disk-full",
        "git fetch: /cache/mirrors/r: write error: No space left on device",
    )
    assert here.hint is not None
    assert explained(WEB, f"remote: {full}fatal: the remote end hung up unexpectedly\n", "push").code == "unreachable"


@pytest.fixture
def refusing_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy that wants a login, as the one in the environment."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_CONNECT

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listening.server_address[1]}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NO_PROXY", "")
        yield
        listening.shutdown()
        thread.join()


@pytest.mark.usefixtures("refusing_proxy")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_real_proxy_that_wants_a_login_is_named(scheme: str) -> None:
    with pytest.raises(HostDownError, match="407") as caught:
        list_refs(parse_remote(f"{scheme}://h.invalid/r"), ["HEAD"])
    assert "the proxy wants a login" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("err", "passes"),
    [
        ("fatal: unable to access 'https://x/': The requested URL returned error: 503\n", True),
        ("error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec transferred\nfatal: early EOF\n", True),
        ("fatal: unable to access 'https://x/': Could not resolve host: x\n", True),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 403\n", False),
        ("fatal: repository 'https://x/' not found\n", False),
        ("remote: this account is closed\nfatal: protocol error\n", False),
    ],
)
def test_a_server_that_has_failed_is_told_from_one_that_has_answered(err: str, passes: bool) -> None:
    assert isinstance(explained(WEB, err), NoAnswerError) == passes
    assert not isinstance(explained("/srv/r", err), NoAnswerError)
