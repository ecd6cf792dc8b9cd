"""Where a repository is by now, and whether it is archived: one question, with and without a token."""

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.forge.hosts import adapter_of, reading
from flakesync.forge.model import ForgeError, Home, Project
from flakesync.workspace.hosts import Account
from tests.forge.described import forgejo, github, gitlab
from tests.forge.scripted import Script
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, READER, TOKEN, client_of

Kinds = pytest.mark.parametrize("kind", list(HOSTS))

APIS = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}
LIB = Project("forge.example", "acme/lib")


def account(forge: Forge, kind: Kind, port: int, token: str | None) -> Account:
    api = f"https://localhost:{port}{APIS[kind]}"
    return Account("forge.example", kind, api, "git", token, ("THE_TOKEN",), forge.certificates.ca)


def ask(forge: Forge, kind: Kind, port: int, token: str | None, path: str = "acme/lib") -> Home:
    with reading(account(forge, kind, port, token)) as adapter:
        assert adapter is not None
        return adapter.home(Project("forge.example", path))


@Kinds
def test_a_repository_that_stayed_is_where_it_was(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    assert ask(forge, kind, client.port, READER) == Home(LIB, archived=False)
    assert len(forge.log) == 1


@Kinds
def test_a_moved_repository_is_found_by_its_old_name_with_and_without_a_token(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.site.move("acme/lib", "corp/core-lib")
    for token in (READER, None):
        assert ask(forge, kind, client.port, token).project.path == "corp/core-lib"


@Kinds
def test_an_archived_repository_says_so(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.project.archived = True
    assert ask(forge, kind, client.port, READER).archived is True


@pytest.mark.parametrize(("kind", "said"), [("github", True), ("gitlab", None), ("forgejo", True)])
def test_without_a_token_gitlab_says_nothing_of_archives(forge: Forge, kind: Kind, said: bool | None) -> None:
    client = client_of(forge, kind)
    client.project.archived = True
    assert ask(forge, kind, client.port, None).archived is said


@Kinds
def test_without_a_token_no_login_is_sent(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    ask(forge, kind, client.port, None)
    assert all(exchange.request.secret is None for exchange in forge.log)


@Kinds
def test_a_private_repository_is_not_there_without_a_token(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    client.project.private = True
    assert ask(forge, kind, client.port, TOKEN).project == LIB
    with pytest.raises(ForgeError) as caught:
        ask(forge, kind, client.port, None)
    assert caught.value.code == "forge-not-found"


@Kinds
@pytest.mark.parametrize("body", [{}, {"full_name": None, "path_with_namespace": 7}, [], "<html>"])
def test_an_answer_that_names_no_repository_is_an_error(kind: Kind, body: object) -> None:
    adapter = adapter_of(kind)
    assert adapter is not None
    script = Script("https://forge.example", None).then(200, body)
    with pytest.raises(ForgeError) as caught:
        adapter(script.client(adapter.headers(""))).home(LIB)
    assert caught.value.code == "forge-answer"


@pytest.mark.parametrize(
    ("kind", "api", "description"),
    [
        ("github", "https://forge.example/api/v3", github()),
        ("gitlab", "https://forge.example/api/v4", gitlab()),
        ("forgejo", "https://forge.example/api/v1", forgejo()),
    ],
)
def test_the_question_is_one_that_the_forge_describes(kind: Kind, api: str, description: object) -> None:
    adapter = adapter_of(kind)
    assert adapter is not None
    name = "path_with_namespace" if kind == "gitlab" else "full_name"
    script = Script(api, description).then(200, {name: "corp/lib", "archived": True})  # type: ignore[arg-type]
    found = adapter(script.client(adapter.headers("s3cret"))).home(LIB)
    assert found == Home(Project("forge.example", "corp/lib"), archived=True)
    assert len(script.told) == 1


def test_a_host_that_lets_nobody_in_is_told_how_to_give_a_token() -> None:
    script = Script("https://forge.example", None).then(401, {"message": "Requires authentication"})
    with pytest.raises(ForgeError) as caught:
        script.client({}, token=None, public=True).call("GET", "/repos/acme/lib", dict)
    assert (caught.value.code, caught.value.hint) == ("forge-token", "put one into THE_TOKEN")


def test_what_is_no_forge_has_no_adapter() -> None:
    with reading(Account("git.sr.ht", "none", "https://git.sr.ht", "git", None)) as adapter:
        assert adapter is None
