from collections.abc import Mapping
from pathlib import Path

import pytest

from flakesync.forge.client import Client, Endpoint
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Forge, ForgeError, OnForge, Project
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import RepoName
from flakesync.workspace.model import ForgeSettings, Repo, Workspace

TOKENS = {
    "GITHUB_TOKEN": "github-token",
    "GITLAB_TOKEN": "gitlab-token",
    "FORGEJO_TOKEN": "forgejo-token",
    "BOT_TOKEN": "bot-token",
}


def workspace(*urls: str, forges: Mapping[str, ForgeSettings] | None = None) -> Workspace:
    repos = tuple(Repo(name=RepoName(f"r{n}"), url=FlakeRef.parse(url)) for n, url in enumerate(urls))
    return Workspace(
        file=Path("/ws/workspace.toml"), name="ws", base=None, branch="flakesync/update", jobs=1, external="hold",
        author=None, pins=(), repos=repos, forges=forges or {},
    )  # fmt: skip


def found(
    url: str, *others: str, forges: Mapping[str, ForgeSettings] | None = None, environ: Mapping[str, str] = TOKENS
) -> tuple[OnForge | None, Endpoint | None]:
    made: list[Endpoint] = []

    def connect(endpoint: Endpoint, headers: Mapping[str, str]) -> Client:
        made.append(endpoint)
        return Client(endpoint, headers)

    ws = workspace(url, *others, forges=forges)
    on_forge = Servers(ws, environ, connect=connect).for_repo(ws.repos[0])
    return on_forge, made[0] if made else None


def chosen(
    url: str, *others: str, forges: Mapping[str, ForgeSettings] | None = None, environ: Mapping[str, str] = TOKENS
) -> tuple[Forge, Project, Endpoint]:
    on_forge, endpoint = found(url, *others, forges=forges, environ=environ)
    assert on_forge is not None
    assert endpoint is not None
    return on_forge.forge, on_forge.project, endpoint


@pytest.mark.parametrize(
    ("url", "kind", "where", "api"),
    [
        ("github:acme/lib", "github", "github.com acme/lib", "https://api.github.com"),
        ("git+ssh://git@github.com/acme/lib.git", "github", "github.com acme/lib", "https://api.github.com"),
        ("gitlab:acme%2Fcore/lib", "gitlab", "gitlab.com acme/core/lib", "https://gitlab.com/api/v4"),
        ("git+https://gitlab.com/a/b/c/lib", "gitlab", "gitlab.com a/b/c/lib", "https://gitlab.com/api/v4"),
        ("git+https://codeberg.org/a/lib", "forgejo", "codeberg.org a/lib", "https://codeberg.org/api/v1"),
        ("git+https://gitea.com/a/lib", "forgejo", "gitea.com a/lib", "https://gitea.com/api/v1"),
    ],
)
def test_known_hosts_need_no_table(url: str, kind: str, where: str, api: str) -> None:
    forge, project, endpoint = chosen(url)
    assert (forge.kind, f"{project.host} {project.path}") == (kind, where)
    assert (endpoint.api, endpoint.token) == (api, f"{kind}-token")


@pytest.mark.parametrize(
    "url",
    ["git+ssh://git@git.example.com/acme/lib", "git+https://git.example.com:8443/acme/lib", "sourcehut:~ann/lib"],
)
def test_an_undeclared_host_is_only_pushed_to(url: str) -> None:
    assert found(url) == (None, None)


def test_a_repository_of_this_machine_is_only_pushed_to(tmp_path: Path) -> None:
    assert found(f"git+file://{tmp_path}") == (None, None)


@pytest.mark.parametrize(
    ("kind", "api"),
    [("github", "/api/v3"), ("gitlab", "/api/v4"), ("forgejo", "/api/v1")],
)
def test_a_declared_host_has_the_usual_api_of_its_kind(kind: str, api: str) -> None:
    settings = ForgeSettings(kind=kind)
    forge, project, endpoint = chosen("git+ssh://git@git.example.com/acme/lib", forges={"git.example.com": settings})
    assert (forge.kind, project.host, endpoint.api) == (kind, "git.example.com", f"https://git.example.com{api}")


def test_what_is_declared_is_used() -> None:
    settings = ForgeSettings(
        kind="gitlab", api="https://api.example.com/v4", token_env="BOT_TOKEN", ca_file=Path("/ws/ca.pem")
    )
    _, _, endpoint = chosen("git+ssh://git@git.example.com/acme/lib", forges={"git.example.com": settings})
    assert endpoint == Endpoint(
        "git.example.com", "https://api.example.com/v4", "bot-token", ("BOT_TOKEN",), Path("/ws/ca.pem")
    )


def test_a_host_that_is_declared_as_none_is_only_pushed_to() -> None:
    assert found("github:acme/lib", forges={"github.com": ForgeSettings(kind="none")})[0] is None


def test_the_port_of_ssh_is_not_the_port_of_the_pages() -> None:
    forges = {"git.example.com": ForgeSettings(kind="gitlab")}
    _, project, endpoint = chosen("git+ssh://git@git.example.com:2222/acme/lib", forges=forges)
    assert (project.host, endpoint.api) == ("git.example.com", "https://git.example.com/api/v4")


@pytest.mark.parametrize(
    "url",
    [
        "git+ssh://git@git.example.com:2222/acme/lib",
        "git+ssh://git@git.example.com/acme/lib",
        "git+git://git.example.com/acme/lib",
    ],
)
@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://git.example.com:8443/api/v4", "git.example.com:8443"),
        ("https://git.example.com:443/api/v4", "git.example.com"),
        ("https://git.example.com/git/api/v4", "git.example.com"),
        ("https://api.example.com:8443/v4", "git.example.com"),
        (None, "git.example.com"),
    ],
)
def test_over_ssh_the_pages_are_at_the_port_that_the_api_names(url: str, api: str | None, web: str) -> None:
    forges = {"git.example.com": ForgeSettings(kind="gitlab", api=api)}
    assert chosen(url, forges=forges)[1] == Project(web, "acme/lib")
    repo = Repo(name=RepoName("lib"), path=Path("/src/lib"))
    servers = Servers(workspace(forges=forges), TOKENS)
    addresses = [url.removeprefix("git+"), *(["git@git.example.com:acme/lib.git"] if "2222" not in url else [])]
    for address in addresses:
        there = servers.for_repo(repo, address)
        assert there is not None
        assert there.project == Project(web, "acme/lib")


def test_the_pages_of_github_are_not_at_its_api() -> None:
    forges = {"github.com": ForgeSettings(kind="github", api="https://api.github.com")}
    assert chosen("git+ssh://git@github.com/acme/lib", forges=forges)[1] == Project("github.com", "acme/lib")


def test_the_port_of_https_belongs_to_the_host() -> None:
    forges = {"git.example.com": ForgeSettings(kind="none"), "git.example.com:8443": ForgeSettings(kind="forgejo")}
    _, project, endpoint = chosen("git+https://git.example.com:8443/acme/lib", forges=forges)
    assert (project.host, endpoint.api) == ("git.example.com:8443", "https://git.example.com:8443/api/v1")


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({"GITHUB_TOKEN": "a", "GH_TOKEN": "b"}, "a"),
        ({"GITHUB_TOKEN": "", "GH_TOKEN": "b\n"}, "b"),
        ({"GITLAB_TOKEN": "c"}, None),
    ],
)
def test_the_first_variable_that_is_set_counts(environ: dict[str, str], token: str | None) -> None:
    _, _, endpoint = chosen("github:acme/lib", environ=environ)
    assert endpoint.token == token


def test_no_token_is_an_error_that_names_the_variables_when_the_forge_is_asked() -> None:
    forge, project, _ = chosen("github:acme/lib", environ={})
    with pytest.raises(ForgeError) as caught:
        forge.get(project, 7)
    assert (caught.value.code, caught.value.hint) == ("forge-token", "put one into GITHUB_TOKEN or GH_TOKEN")


def test_a_host_that_the_usual_variables_do_not_belong_to_needs_one_of_its_own() -> None:
    forge, project, _ = chosen("git+ssh://git@ghe.example.com/a/b", "github:a/b", forges=ENTERPRISE)
    with pytest.raises(ForgeError) as caught:
        forge.get(project, 7)
    assert caught.value.hint == 'name the variable that holds one: `token-env` in [forges."ghe.example.com"]'


@pytest.mark.parametrize("token", ["two words", "a\nb", "tökèn", "a\x00b"])
def test_what_cannot_be_a_token_is_not_sent_nor_shown(token: str) -> None:
    with pytest.raises(ForgeError) as caught:
        chosen("github:acme/lib", environ={"GITHUB_TOKEN": token})
    assert caught.value.code == "forge-token"
    assert token not in caught.value.message


ENTERPRISE = {"ghe.example.com": ForgeSettings(kind="github")}


def test_the_usual_token_goes_to_the_only_host_of_its_kind() -> None:
    _, _, endpoint = chosen("git+ssh://git@ghe.example.com/a/b", "gitlab:a/b", forges=ENTERPRISE)
    assert endpoint.token == "github-token"


def test_the_usual_token_of_a_known_host_is_not_sent_to_another_one() -> None:
    _, _, endpoint = chosen("git+ssh://git@ghe.example.com/a/b", "github:a/b", forges=ENTERPRISE)
    assert endpoint.token is None
    _, _, endpoint = chosen("github:a/b", "git+ssh://git@ghe.example.com/a/b", forges=ENTERPRISE)
    assert endpoint.token == "github-token"


def test_two_declared_hosts_of_one_kind_need_their_own_tokens() -> None:
    forges = {"a.example.com": ForgeSettings(kind="gitlab"), "b.example.com": ForgeSettings(kind="gitlab")}
    _, _, endpoint = chosen("git+ssh://git@a.example.com/a/b", forges=forges)
    assert endpoint.token is None
    forges["b.example.com"] = ForgeSettings(kind="gitlab", token_env="BOT_TOKEN")
    _, _, endpoint = chosen("git+ssh://git@a.example.com/a/b", forges=forges)
    assert endpoint.token == "gitlab-token"


def test_repos_of_one_host_share_one_client() -> None:
    ws = workspace("github:acme/a", "git+ssh://git@github.com/acme/b", "gitlab:acme/c")
    servers = Servers(ws, TOKENS)
    a, b, c = (servers.for_repo(repo) for repo in ws.repos)
    assert a is not None
    assert b is not None
    assert c is not None
    assert a.forge is b.forge
    assert a.forge is not c.forge
    servers.close()


def test_a_repo_known_by_its_folder_is_found_by_where_it_is_pushed_to() -> None:
    repo = Repo(name=RepoName("lib"), path=Path("/src/lib"))
    servers = Servers(workspace(), TOKENS)
    assert servers.for_repo(repo) is None
    there = servers.for_repo(repo, "git@github.com:acme/lib.git")
    assert there is not None
    assert (there.forge.kind, there.project) == ("github", Project("github.com", "acme/lib"))


def test_no_token_survives_clean() -> None:
    forges = {"x.example.com": ForgeSettings(kind="none", token_env="BOT_TOKEN")}
    servers = Servers(workspace(forges=forges), {**TOKENS, "GITEA_TOKEN": "gi/tea"})
    text = "github-token gitlab-token forgejo-token bot-token gi/tea gi%2Ftea \x1b[0mend"
    assert servers.clean(text) == "… … … … … … end"


@pytest.mark.parametrize(
    ("urls", "environ", "hint"),
    [
        (["github:a/b", "github:a/c"], {}, "put it into GITHUB_TOKEN"),
        (["github:a/b", "gitlab:a/c"], {}, "GITLAB_TOKEN"),
        (["github:a/b", "gitlab:a/c"], {"GITLAB_TOKEN": "gitlab-token"}, None),
        (["github:a/b", "git+https://plain.example.org/c"], {}, None),
        (["github:a/b", "git+file:///srv/c"], {}, None),
        ([], {}, None),
    ],
)
def test_no_token_at_all_is_one_error_and_one_that_is_missing_is_its_repos_own(
    urls: list[str], environ: dict[str, str], hint: str | None
) -> None:
    ws = workspace(*urls)
    servers = Servers(ws, environ)
    if hint is None:
        servers.require_tokens(ws.repos)
        return
    with pytest.raises(ForgeError) as caught:
        servers.require_tokens(ws.repos)
    assert caught.value.code == "forge-token"
    assert caught.value.message.startswith("there is no token for github.com")
    assert hint in (caught.value.hint or "")
