from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.workspace.manifest import InvalidManifest, Problem, Workspace, load_workspace
from flakesync.workspace.model import ForgeSettings, PublishSettings

Load = Callable[[str], Workspace]

REPO = '[repos.lib]\nurl = "github:acme/lib"\n'


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(text: str) -> Workspace:
        # What is no table has to come before the first table.
        (tmp_path / "workspace.toml").write_text(f"{text}\n{REPO}")
        return load_workspace(tmp_path / "workspace.toml")

    return run


@pytest.fixture
def problem(load: Load) -> Callable[[str], Problem]:
    def run(text: str) -> Problem:
        with pytest.raises(InvalidManifest) as caught:
            load(text)
        (found,) = caught.value.problems
        return found

    return run


def test_forges_and_publish_arrive_with_their_values(load: Load, tmp_path: Path) -> None:
    workspace = load("""
        [forges."git.example.com"]
        kind = "gitlab"
        api = "https://git.example.com/gitlab/api/v4/"
        token-env = "ACME_GITLAB_TOKEN"
        ca-file = "ca.pem"
        [forges."forge.example.com:8443"]
        kind = "none"
        [publish]
        labels = ["flake-lock"]
        draft = true
        reviewers = ["@ann", "acme/core"]
        merge-method = "fast-forward"
        title = "{repo}: {pin} {old} -> {new} ({date}) {{x}}"
        """)
    assert workspace.forges == {
        "git.example.com": ForgeSettings(
            kind="gitlab",
            api="https://git.example.com/gitlab/api/v4",
            token_env="ACME_GITLAB_TOKEN",
            ca_file=tmp_path / "ca.pem",
        ),
        "forge.example.com:8443": ForgeSettings(kind="none"),
    }
    assert workspace.publish == PublishSettings(
        labels=("flake-lock",),
        draft=True,
        reviewers=("ann", "acme/core"),
        merge_method="fast-forward",
        title="{repo}: {pin} {old} -> {new} ({date}) {{x}}",
    )


def test_without_the_tables_nothing_is_declared_and_publish_has_its_defaults(load: Load) -> None:
    workspace = load("")
    assert workspace.forges == {}
    assert workspace.publish == PublishSettings(
        labels=(), draft=False, reviewers=(), merge_method="default", title=None
    )


def test_a_known_host_needs_no_kind(load: Load) -> None:
    workspace = load("[forges.'github.com']\ntoken-env = 'BOT_TOKEN'\n[forges.'codeberg.org']\n")
    assert workspace.forges["github.com"] == ForgeSettings(kind="github", token_env="BOT_TOKEN")
    assert workspace.forges["codeberg.org"].kind == "forgejo"


HOST = "[forges.'git.example.com']\nkind = 'gitlab'\n"
PLACE = 'forges."git.example.com"'


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("[forges.'git.example.com']", PLACE, "needs a `kind`"),
        ("[forges.'git.example.com']\nkind = 'gitea'", f"{PLACE}.kind", "must be one of `github`, `gitlab`, `forgejo`"),
        (f"{HOST}api = 'git.example.com/api'", f"{PLACE}.api", "is not the address of an API"),
        (f"{HOST}api = 'https://git.example.com:port'", f"{PLACE}.api", "is not the address of an API"),
        (f"{HOST}api = 'http://git.example.com/api'", f"{PLACE}.api", "is not an https address"),
        (f"{HOST}api = 'https://me:secret@git.example.com'", f"{PLACE}.api", "must not hold a user or a password"),
        (f"{HOST}token-env = 'glpat-abcdefghijklmnop'", f"{PLACE}.token-env", "looks like a token"),
        (f"{HOST}token-env = 'A-B'", f"{PLACE}.token-env", "is not the name of an environment variable"),
        (f"{HOST}ca-file = ''", f"{PLACE}.ca-file", "must not be empty"),
        ("[forges.'https://x.org']\nkind='none'", 'forges."https://x.org"', "is not a host name"),
        ("[forges.'Git.Example.com']\nkind='none'", 'forges."Git.Example.com"', "is not a host name"),
        ("forges = []", "forges", "must be a table"),
        ("publish = 'x'", "publish", "must be a table"),
        ("[publish]\ndraft = 'yes'", "publish.draft", "must be a boolean, not a string"),
        ("[publish]\nmerge-method = 'ff'", "publish.merge-method", "must be one of `default`, `merge`, `squash`"),
        ("[publish]\nlabels = ['a', 'a']", "publish.labels[1]", "`a` is listed twice"),
        ("[publish]\nreviewers = ['A B']", "publish.reviewers[0]", "is not the name of a user or team"),
        ("[publish]\ntitle = 'Bump {pins}'", "publish.title", "there is no placeholder `{pins}`"),
        ("[publish]\ntitle = '{pin.__class__}'", "publish.title", "there is no placeholder `{pin.__class__}`"),
        ("[publish]\ntitle = '{}'", "publish.title", "there is no placeholder `{}`"),
        ("[publish]\ntitle = '{pin!r}'", "publish.title", "`{pin}` is written without a format"),
        ("[publish]\ntitle = '{date:>20}'", "publish.title", "`{date}` is written without a format"),
        ("[publish]\ntitle = 'a { b'", "publish.title", "has a brace without its other half"),
        ("[publish]\ntitle = '}'", "publish.title", "has a brace without its other half"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(
    problem: Callable[[str], Problem], text: str, place: str, message: str
) -> None:
    found = problem(text)
    assert found.place == place
    assert message in found.message


def test_a_mistyped_placeholder_is_told_what_was_meant(problem: Callable[[str], Problem]) -> None:
    assert problem("[publish]\ntitle = '{dates}'").hint == "did you mean `date`?"


def test_a_token_in_the_manifest_is_not_repeated_in_the_message(problem: Callable[[str], Problem]) -> None:
    assert "glpat" not in str(problem(f"{HOST}token-env = 'glpat-abcdefghijklmnop'"))
    assert "secret" not in str(problem(f"{HOST}api = 'https://me:secret@git.example.com'"))
