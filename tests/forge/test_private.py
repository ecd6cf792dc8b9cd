"""Every command on private repos that are known by address alone: one token for git and the API, and nowhere else."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.demo.forge.web import smart_http
from flakesync.demo.forge.web.messages import Answer, Request
from tests.support.forge import Certificates, Forge
from tests.support.forge.faults import Perform
from tests.support.private import SITE, TOKEN, VARIABLE, Private, make_private

# What is said to one kind of forge is said in forge/ for each of them: the two others are for `make slow`.
KINDS = [pytest.param("github", marks=pytest.mark.slow), "gitlab", pytest.param("forgejo", marks=pytest.mark.slow)]
COMMANDS = (
    "graph",
    "drift",
    "inputs",
    "follow",
    "plan",
    "sync",
    "publish",
    "status",
    "report page",
    "land",
    "doctor",
    "abandon",
)
MISSING = f"put a token for HOST into {VARIABLE}"
REFUSED = f"is the token in {VARIABLE} still valid, and may it read that repository?"


@pytest.fixture(params=KINDS)
def private(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """The workspace, on a forge of each kind."""
    with Forge(tmp_path / "forge", [(SITE, request.param)], certificates) as forge:
        yield make_private(tmp_path, forge, request.param)


@pytest.fixture
def on_gitlab(tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """The workspace, on a GitLab."""
    with Forge(tmp_path / "forge", [(SITE, "gitlab")], certificates) as forge:
        yield make_private(tmp_path, forge, "gitlab")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def told(text: str) -> str:
    """Return what was said, without the line breaks of a table."""
    return re.sub(r"\s+", " ", text)


def test_a_private_workspace_lands_with_the_token_alone(private: Private, hermetic: Path) -> None:
    env = environment(**{VARIABLE: TOKEN})
    said = ""
    statuses = {}
    for command in COMMANDS[:-1]:
        done = private.run(*command.split(), env=env)
        statuses[command] = done.returncode
        said += done.stdout + done.stderr
    assert statuses == dict.fromkeys(COMMANDS[:-1], 0) | {"drift": 1, "follow": 1}, said
    done = private.run("drift", "--json", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(private.project(name).pulls[0].state == "merged" for name in private.names)
    assert all("flakesync/update" not in private.project(name).storage.branches() for name in private.names)
    pulls = '"pulls":{"open":2,"merged":0,"failed":0}'
    assert pulls in (private.root / "page" / "history.jsonl").read_text()
    assert TOKEN not in said
    assert any("remote-https" in line for line in private.processes)
    assert not [line for line in private.processes if TOKEN in line]
    assert private.written([hermetic, private.root], TOKEN) == []


@pytest.mark.slow
def test_abandon_takes_an_update_back_with_the_token_alone(private: Private) -> None:
    env = environment(**{VARIABLE: TOKEN})
    for command in ("sync", "publish", "abandon"):
        assert private.run(command, env=env).returncode == 0
    assert all(private.project(name).pulls[0].state == "closed" for name in private.names)
    assert all("flakesync/update" not in private.project(name).storage.branches() for name in private.names)


@pytest.mark.parametrize("pins", [True, False], ids=["pinned", "no-pins"])
def test_without_a_token_every_command_fails_and_names_the_variable(on_gitlab: Private, pins: bool) -> None:
    if not pins:
        del on_gitlab.manifest["pins"]
    for command in COMMANDS:
        done = on_gitlab.run(*command.split(), env=environment())
        said = done.stdout + done.stderr
        is_written = command == "report page" and not pins  # it shows that the repos cannot be read
        assert done.returncode in ((0,) if is_written else (1, 2)), (command, said)
        assert MISSING.replace("HOST", on_gitlab.host) in told(said), (command, said)


def test_a_token_that_is_refused_is_asked_about_by_the_name_of_its_variable(on_gitlab: Private) -> None:
    for command in COMMANDS:
        done = on_gitlab.run(*command.split(), env=environment(**{VARIABLE: "wr0ng-token"}))
        said = done.stdout + done.stderr
        assert done.returncode in (1, 2), (command, said)
        assert REFUSED in told(said), (command, said)
        assert "wr0ng-token" not in said


@pytest.mark.parametrize("command", ["sync", "land"])
def test_a_server_that_says_the_token_is_wrong_is_understood(on_gitlab: Private, command: str) -> None:
    """As GitHub and GitLab say it, where the loopback forge hides the repository."""

    def refuse(request: Request, _: Perform) -> Answer:
        if request.secret is None:
            return smart_http.ask_for_password()
        return Answer(401, f"invalid token {request.secret}".encode(), (("WWW-Authenticate", 'Basic realm="x"'),))

    on_gitlab.forge.faults.clear()
    on_gitlab.forge.faults.add(refuse, path="info/refs", times=None)
    done = on_gitlab.run(command, env=environment(**{VARIABLE: TOKEN}))
    assert done.returncode in (1, 2)
    assert REFUSED in told(done.stdout + done.stderr)
    assert TOKEN not in done.stdout + done.stderr


def test_one_repo_that_the_token_may_not_read_fails_alone_and_says_why(on_gitlab: Private) -> None:
    def hide(request: Request, perform: Perform) -> Answer:
        if "/lib.git/" not in request.path or request.secret is None:
            return perform()
        return Answer(404, b"Not Found", (), "text/plain")

    on_gitlab.forge.faults.clear()
    on_gitlab.forge.faults.add(hide, path="info/refs", times=None)
    for command, argv in (("drift", ()), ("plan", ()), ("graph", ()), ("status", ())):
        done = on_gitlab.run(command, *argv, env=environment(**{VARIABLE: TOKEN}))
        assert done.returncode == 1, done.stdout + done.stderr
        assert told(done.stdout + done.stderr).count(REFUSED) == 1


def test_a_token_that_is_none_is_one_error_before_anything_starts(on_gitlab: Private) -> None:
    for command in ("drift", "sync", "publish"):
        done = on_gitlab.run(command, env=environment(**{VARIABLE: "two w0rds"}))
        assert done.returncode == 2
        assert f"what {VARIABLE} holds cannot be a token" in done.stderr
        assert "w0rds" not in done.stderr


def test_without_a_token_git_asks_the_helper_of_the_user(on_gitlab: Private, hermetic: Path) -> None:
    with (hermetic / ".gitconfig").open("a") as file:
        file.write(f'[credential]\n\thelper = "!f() {{ echo username=me; echo password={TOKEN}; }}; f"\n')
    for command, status in (("plan", 0), ("sync", 0), ("drift", 1)):
        assert on_gitlab.run(command, env=environment()).returncode == status


def test_a_token_of_another_host_is_not_sent(on_gitlab: Private) -> None:
    on_gitlab.manifest["forges"]["git.elsewhere.example"] = {"kind": "gitlab", "token-env": "OTHER_TOKEN"}
    done = on_gitlab.run("drift", env=environment(OTHER_TOKEN="of-another-host", GITLAB_TOKEN="usual-token"))
    assert done.returncode == 2
    logins = {exchange.request.secret for exchange in on_gitlab.forge.log}
    assert logins == {None}
