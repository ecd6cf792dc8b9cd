"""What the forges say of tokens, their limits, the clocks and the repositories, over TLS on loopback."""

import time
from types import SimpleNamespace

import pytest

from flakesync.demo.forge.model import Account
from flakesync.demo.forge.web.messages import Answer, Request
from tests.doctor.asking import ABOUT_TOKEN, doctor, failing, one, rows, run_doctor, tell
from tests.support.forge import faults
from tests.support.forge.faults import Perform
from tests.support.private import SITE, TOKEN, VARIABLE, Private

GITHUB_GOOD = (("X-OAuth-Scopes", "repo, workflow"), ("X-RateLimit-Limit", "5000"), ("X-RateLimit-Remaining", "4990"))
GITLAB_GOOD = {"scopes": ["api"], "active": True, "revoked": False, "expires_at": None}


def kind_of(private: Private) -> str:
    return private.forge.site(SITE).kind


def good(private: Private) -> None:
    """Let the token be as good as it can be."""
    match kind_of(private):
        case "github":
            tell(private, "github", {"resources": {}}, GITHUB_GOOD)
        case "gitlab":
            tell(private, "gitlab", GITLAB_GOOD)
        case kind:
            tell(private, kind, {"login": "bot"})


def test_a_good_token_is_ok_and_so_is_each_repo_that_it_may_push_to(private: Private) -> None:
    good(private)
    found = doctor(private, "forges", "repos", status=0)
    token = one(found, f"token for {private.host}")
    assert (token.how, VARIABLE in token.detail) == ("ok", True)
    for what in ("rights on the forge", "git"):
        rights = one(found, what)
        assert (rights.how, rights.detail, rights.repos) == ("ok", "can be read and pushed to", ["lib", "app"])
    assert one(found, f"clock beside {private.host}").how == "ok"


def test_a_token_that_is_refused_fails_and_names_its_variable(private: Private) -> None:
    good(private)
    found = doctor(private, token="wr0ng-token-of-yesterday", status=1)
    token = one(found, f"token for {private.host}")
    assert token.how == "fails"
    assert f"the token in {VARIABLE} is refused: status 401" in token.detail
    assert token.repos == ["lib", "app"]


def test_what_a_refused_token_cannot_read_is_one_row_for_all_repos(on_gitlab: Private) -> None:
    row = one(doctor(on_gitlab, "repos", token="wr0ng-token-of-yesterday", status=1), "git")
    assert (row.repos, on_gitlab.host in row.detail) == (["lib", "app"], False)
    assert str(row.hint).startswith(f"is the token in {VARIABLE} still valid")


def test_without_a_token_the_row_says_where_to_put_one(private: Private) -> None:
    found = doctor(private, token=None, status=1)
    token = one(found, f"token for {private.host}")
    assert (token.how, token.hint) == ("fails", f"put a token for {private.host} into {VARIABLE}")


def test_a_token_with_too_few_scopes_fails(private: Private) -> None:
    match kind_of(private):
        case "github":
            tell(private, "github", {}, (("X-OAuth-Scopes", "read:org"),))
            lacks = "scopes read:org, and not `repo`"
        case "gitlab":
            tell(private, "gitlab", {**GITLAB_GOOD, "scopes": ["read_api", "read_repository"]})
            lacks = "scopes read_api, read_repository, and not `api`"
        case _:
            # Nothing tells of scopes there; the repositories and git do.
            private.forge.site(SITE).add_account(TOKEN, "bot", "read")
            found = doctor(private, status=1)
            assert one(found, "rights on the forge").detail == "it can be read, and not pushed to"
            return
    found = doctor(private, status=1)
    assert lacks in one(found, f"token for {private.host}").detail


@pytest.mark.parametrize(("days", "how"), [(0.5, "fails"), (7, "warning"), (90, "ok")])
def test_a_token_that_ends_soon_is_told_before(private: Private, days: float, how: str) -> None:
    ends = time.gmtime(time.time() + days * 86_400)
    match kind_of(private):
        case "github":
            header = ("GitHub-Authentication-Token-Expiration", time.strftime("%Y-%m-%d %H:%M:%S UTC", ends))
            tell(private, "github", {}, (*GITHUB_GOOD, header))
        case "gitlab":
            tell(private, "gitlab", {**GITLAB_GOOD, "expires_at": time.strftime("%Y-%m-%d", ends)})
        case _:
            pytest.skip("Forgejo's tokens have no end")
    assert one(doctor(private), "end of the token").how == how


def test_a_revoked_token_fails(private: Private) -> None:
    if kind_of(private) != "gitlab":
        pytest.skip("the others answer 401")
    tell(private, "gitlab", {**GITLAB_GOOD, "revoked": True, "active": False})
    assert "revoked" in one(doctor(private, status=1), "token for").detail


@pytest.mark.parametrize(("minutes", "where"), [(-20, "behind"), (20, "ahead of")])
def test_a_clock_that_is_wrong_is_a_warning(
    private: Private, monkeypatch: pytest.MonkeyPatch, minutes: int, where: str
) -> None:
    good(private)
    shifted = SimpleNamespace(time=lambda: time.time() + minutes * 60)
    monkeypatch.setattr("flakesync.doctor.forges.ask.time", shifted)
    clock = one(doctor(private), "clock beside")
    assert clock.how == "warning"
    assert clock.detail == f"ours is 20 minutes {where} the forge's"


def test_a_rate_limit_that_is_used_up_is_a_warning_and_nothing_more_is_asked(private: Private) -> None:
    limit = faults.primary_limit(600) if kind_of(private) == "github" else faults.too_many_requests(600)
    private.forge.faults.clear()
    private.forge.faults.add(limit, path=ABOUT_TOKEN[kind_of(private)], times=None)
    found = doctor(private, status=0)
    token = one(found, "token for")
    assert (token.how, "the rate limit is used up" in token.detail) == ("warning", True)
    assert rows(found, "rights on the forge") == []


def test_few_requests_that_are_left_are_a_warning(private: Private) -> None:
    if kind_of(private) == "forgejo":
        pytest.skip("Forgejo has no limits")
    body, headers = ({}, GITHUB_GOOD[:1]) if kind_of(private) == "github" else (GITLAB_GOOD, ())
    prefix = "X-" if kind_of(private) == "github" else ""
    left = ((f"{prefix}RateLimit-Limit", "5000"), (f"{prefix}RateLimit-Remaining", "9"))
    tell(private, kind_of(private), body, (*headers, *left))
    assert one(doctor(private, status=0), "rate limit of").detail == "9 of 5000 requests are left"


def test_a_repo_that_cannot_be_pushed_to_fails_alone(private: Private) -> None:
    good(private)
    private.project("lib").archived = True
    found = doctor(private, "forges", "repos", status=1)
    archived, fine = rows(found, "rights on the forge")
    assert (archived.how, archived.repos) == ("fails", ["lib"])
    assert (fine.how, fine.repos) == ("ok", ["app"])
    refused = rows(found, "git")[0]
    assert refused.repos == ["lib"]
    assert refused.detail.startswith("can be read, and not pushed to")


def test_a_repo_that_is_not_there_fails(private: Private) -> None:
    good(private)
    private.manifest["repos"]["gone"] = {"url": f"git+https://{private.host}/acme/gone.git"}
    found = doctor(private, status=1)
    missing = rows(found, "rights on the forge")[0]
    assert (missing.repos, missing.detail) == (["gone"], "there is no such repository")


def test_a_token_that_may_not_see_pull_requests_fails(private: Private) -> None:
    good(private)
    refused = faults.answer(403, {"message": "no"}, headers=(("X-Accepted-GitHub-Permissions", "pull_requests=read"),))
    private.forge.faults.add(refused, path=r"/(pulls|merge_requests)\?", times=None)
    row = one(doctor(private, status=1), "pull requests")
    assert f"the token in {VARIABLE} may not see them: status 403: no" in row.detail
    assert "pull_requests=read" in str(row.hint)


def test_a_merge_method_that_a_repository_does_not_allow_fails(private: Private) -> None:
    good(private)
    wanted = "rebase" if kind_of(private) == "gitlab" else "squash"
    private.manifest["publish"] = {"merge-method": wanted}
    for name in private.names:
        private.project(name).methods = ("merge",)
    found = doctor(private, status=1)
    assert one(found, "rights on the forge").detail.startswith(f"merge-method is {wanted}, and the repository allows")


def test_a_host_that_nobody_answers_for_fails_once(on_gitlab: Private) -> None:
    on_gitlab.manifest["forges"][on_gitlab.host]["api"] = "https://localhost:9/api"  # type: ignore[index]
    found = doctor(on_gitlab, status=1)
    assert one(found, f"API of {on_gitlab.host}").how == "fails"
    assert failing(found) == [f"API of {on_gitlab.host}"]


def test_a_host_of_which_nobody_says_what_it_is_is_a_warning(on_gitlab: Private) -> None:
    on_gitlab.manifest["repos"]["other"] = {"url": "git+https://git.nowhere.invalid/acme/other.git"}
    found = doctor(on_gitlab, "forges", "repos", status=1)
    kind = one(found, "kind of forge")
    assert (kind.how, kind.repos) == ("warning", ["other"])
    unreachable = next(row for row in found.rows if row.group == "repos" and row.repos == ["other"])
    assert unreachable.how == "fails"


@pytest.mark.parametrize("action", [faults.html(), faults.answer(500), faults.drop_before])
def test_an_answer_that_is_none_is_a_row_and_no_crash(on_gitlab: Private, action: faults.Action) -> None:
    on_gitlab.forge.faults.clear()
    on_gitlab.forge.faults.add(action, path="/api/", times=None)
    found = doctor(on_gitlab)
    assert found.rows


def test_with_offline_no_forge_is_asked(on_gitlab: Private) -> None:
    on_gitlab.forge.forget_log()
    found = run_doctor(on_gitlab, "--offline", status=0)
    assert one(found, "token for").how == "not-looked-at"
    assert on_gitlab.forge.log == []


def test_a_server_that_repeats_the_token_does_not_get_it_shown(on_gitlab: Private) -> None:
    def repeat(request: Request, _: Perform) -> Answer:
        return Answer(401, {"message": f"invalid token {request.secret}\x1b[31m"})

    on_gitlab.forge.faults.clear()
    on_gitlab.forge.faults.add(repeat, path=ABOUT_TOKEN[kind_of(on_gitlab)], times=None)
    assert "invalid token …" in one(doctor(on_gitlab, status=1), "token for").detail


def test_nothing_is_pushed_and_nothing_changes_on_the_forge(on_gitlab: Private) -> None:
    good(on_gitlab)
    before = {name: on_gitlab.project(name).storage.branches() for name in on_gitlab.names}
    run_doctor(on_gitlab, status=0)
    assert {name: on_gitlab.project(name).storage.branches() for name in on_gitlab.names} == before
    assert not [each for each in on_gitlab.forge.log if each.request.method != "GET" and "upload-pack" not in str(each)]


def test_a_reader_can_read_and_not_push(private: Private) -> None:
    good(private)
    site = private.forge.site(SITE)
    site.accounts[TOKEN] = Account(site.accounts[TOKEN].id, site.accounts[TOKEN].login, "read")
    found = doctor(private, status=1)
    assert one(found, "rights on the forge").how == "fails"
