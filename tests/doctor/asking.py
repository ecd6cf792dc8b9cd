"""Doctor as a command, and how its rows are looked up; answers of forges about tokens."""

import os
from collections.abc import Iterable
from typing import Literal

import msgspec
import tomli_w

from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.doctor.doctor import LOOKS, examine, find_place
from flakesync.documents.doctor import DoctorDocument, DoctorGroup, DoctorRow, How
from tests.support.forge.faults import Action, Perform
from tests.support.private import SITE, TOKEN, VARIABLE, Private

ABOUT_TOKEN = {"github": r"/rate_limit$", "gitlab": r"/personal_access_tokens/self$", "forgejo": r"/user$"}
"""What each kind of forge is asked about a token."""


def run_doctor(private: Private, *argv: str, status: int) -> DoctorDocument:
    """Return what the command says. status: the exit status that it has to have."""
    done = private.run("doctor", "--json", *argv, env={**os.environ, VARIABLE: TOKEN})
    assert done.returncode == status, done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return msgspec.json.decode(done.stdout, type=DoctorDocument)


def doctor(
    private: Private,
    *groups: DoctorGroup,
    token: str | None = TOKEN,
    status: Literal[0, 1] | None = None,
    offline: bool = False,
) -> DoctorDocument:
    """Return what is said of some groups, in this process; none named: of the forges. status: of the command."""
    (private.root / "workspace.toml").write_text(tomli_w.dumps(private.manifest))
    env = {**os.environ, **({VARIABLE: token} if token is not None else {})}
    place = find_place(private.root / "workspace.toml", env, offline=offline)
    document = examine(place, [look for look in LOOKS if look[0] in (groups or ("forges",))])
    assert status in (None, int(bool(failing(document)))), document
    if token is not None:
        assert token not in str(document)
    return document


def rows(document: DoctorDocument, what: str) -> list[DoctorRow]:
    """Return the rows whose subject begins with `what`."""
    return [row for row in document.rows if row.what.startswith(what)]


def one(document: DoctorDocument, what: str) -> DoctorRow:
    """Return the one row whose subject begins with `what`."""
    found = rows(document, what)
    assert len(found) == 1, found or document.rows
    return found[0]


def failing(document: DoctorDocument, how: How = "fails") -> list[str]:
    """Return what will fail."""
    return [row.what for row in document.rows if row.how == how]


def tell(private: Private, kind: str, body: object, headers: Iterable[tuple[str, str]] = (), status: int = 200) -> None:
    """Let the forge answer so when it is asked about a token that it knows."""

    def answer(request: Request, perform: Perform) -> Answer:
        if request.secret != TOKEN:
            return Answer(401, {"message": "Bad credentials"})
        return Answer(status, body, tuple(headers))

    private.forge.faults.clear()
    private.forge.faults.add(answer, path=ABOUT_TOKEN[kind], times=None)
    private.forge.faults.add(_with_permissions(private), path=r"/projects/[^/]+$", times=None)


def _with_permissions(private: Private) -> Action:
    """Return: a project of GitLab with what its asker may do, which the example forge leaves out."""

    def add(request: Request, perform: Perform) -> Answer:
        found, account = perform(), private.forge.site(SITE).account(request)
        if found.status != 200 or account is None:
            return found
        assert isinstance(found.body, dict)
        level = 30 if account.right == "write" else 20
        return Answer(200, {**found.body, "permissions": {"project_access": {"access_level": level}}}, found.headers)

    return add
