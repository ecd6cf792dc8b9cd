from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from flakesync.documents.pulls.publish import PublishDocument, PublishOutcome, SkipReason
from flakesync.forge.model import ForgeError, Project, Pull
from flakesync.git.remotes import transfer
from flakesync.git.remotes.remote import Address, parse_remote
from flakesync.publish.documents import publish_document
from flakesync.publish.publish import publish
from flakesync.publish.work import Published
from flakesync.report.publish import REASONS, progress_line, render_publish
from flakesync.report.text import to_text
from flakesync.sync.events import Event, Finished
from flakesync.terms import RepoName
from tests.forge.town import BRANCH, NEW, NEWER, OLD, Town, make_town
from tests.support import repos
from tests.support.memory_forge import MemoryForge, MemoryServers

CHAIN = {"lib": (), "app": ("lib",), "site": ("app", "lib")}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path, CHAIN)


def run(town: Town, *names: str, reopen: bool = False) -> dict[str, PublishOutcome]:
    return by_name(run_whole(town, *names, reopen=reopen))


def run_whole(town: Town, *names: str, reopen: bool = False) -> PublishDocument:
    return town.publish(*names, reopen=reopen)


def by_name(document: PublishDocument) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in document.repos}


def statuses(outcomes: dict[str, PublishOutcome]) -> list[str]:
    return [outcome.status for outcome in outcomes.values()]


def test_a_fresh_set_is_pushed_and_opened_upstream_first(town: Town) -> None:
    commits = town.bump_all()
    document = run_whole(town)
    assert [(outcome.repo, outcome.status, outcome.pushed) for outcome in document.repos] == [
        ("lib", "opened", True),
        ("app", "opened", True),
        ("site", "opened", True),
    ]
    assert {name: town.ref(town.server(name)) for name in CHAIN} == commits
    assert [name for what, name in town.forge.calls if what == "create"] == ["lib", "app", "site"]
    pull = town.forge.one("site")
    assert (pull.head_branch, pull.base_branch, pull.head) == (BRANCH, "main", commits["site"])
    assert pull.title == f"flake.lock: update nixpkgs to {NEW[:7]}"
    lines = pull.body.splitlines()
    assert "Depends-On: https://forge.test/lib/pull/1" in lines
    assert "Depends-On: https://forge.test/app/pull/1" in lines
    assert "[pull request of lib](https://forge.test/lib/pull/1)" in pull.body
    assert f"(https://github.com/nixos/nixpkgs/compare/{OLD}...{NEW})" in pull.body
    assert "Dependents, which lock this update: `app`, `site`" in town.forge.one("lib").body
    assert town.forge.depends == {
        "app": ["https://forge.test/lib/pull/1"],
        "site": ["https://forge.test/app/pull/1", "https://forge.test/lib/pull/1"],
    }


def test_a_second_run_changes_nothing_and_asks_once_for_each_repo(town: Town) -> None:
    town.bump_all()
    run(town)
    bodies = {name: town.forge.one(name).body for name in CHAIN}
    town.forge.calls.clear()
    again = run(town)
    assert statuses(again) == ["unchanged"] * 3
    assert sorted(town.forge.calls) == [("find", "app"), ("find", "lib"), ("find", "site")]
    assert bodies == {name: town.forge.one(name).body for name in CHAIN}


def test_another_machine_that_has_no_update_branches_changes_nothing(town: Town, tmp_path: Path) -> None:
    town.bump_all()
    run(town)
    for name in CHAIN:
        repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone(name))
    town.forge.calls.clear()
    again = run(town)
    assert statuses(again) == ["unchanged"] * 3
    assert [what for what, _ in town.forge.calls] == ["find"] * 3


def test_repos_that_are_mirrored_are_published_from_their_mirrors(town: Town) -> None:
    commits = town.bump_all()
    town.manifest(repos={name: {"url": f"git+{town.url(name)}"} for name in CHAIN})
    for name in CHAIN:
        repos.run_git("push", "-q", "origin", BRANCH, cwd=town.clone(name))
    outcomes = run(town)
    assert [(each.status, each.pushed, each.commit) for each in outcomes.values()] == [
        ("opened", False, commits[name]) for name in CHAIN
    ]


def test_a_new_update_moves_the_branches_and_rewrites_the_same_pull_requests(town: Town) -> None:
    town.bump_all()
    run(town)
    commits = town.bump_all(NEWER)
    outcomes = run(town)
    assert [(each.status, each.pushed) for each in outcomes.values()] == [("updated", True)] * 3
    assert {name: town.forge.one(name).head for name in CHAIN} == commits
    assert town.forge.one("lib").title == f"flake.lock: update nixpkgs to {NEWER[:7]}"


def test_what_people_write_around_the_markers_stays(town: Town) -> None:
    town.bump_all()
    run(town)
    pull = town.forge.one("lib")
    before, after = "Please\r\nlook  \n\n", "\r\n\r\n- [x] done <!-- mine -->"
    town.forge.put(Project("", "lib"), replace(pull, body=before + pull.body.replace("\n", "\r\n") + after))
    assert run(town)["lib"].status == "unchanged"
    town.bump_all(NEWER)
    assert run(town)["lib"].status == "updated"
    body = town.forge.one("lib").body
    assert body.startswith(before + "<!-- flakesync:begin -->")
    assert body.endswith("<!-- flakesync:end -->" + after)
    assert NEWER[:7] in body
    assert NEW[:7] not in body


def test_a_branch_with_somebody_elses_commit_is_left_alone(town: Town) -> None:
    town.bump_all()
    run(town)
    theirs = repos.commit(town.server("app"), {"note": "mine"}, message="Fix", branch=BRANCH)
    pull = town.forge.one("app")
    town.bump_all(NEWER)
    outcomes = run(town)
    assert [(each.status, each.reason) for each in outcomes.values()] == [
        ("updated", None),
        ("failed", None),
        ("skipped", "upstream"),
    ]
    assert outcomes["site"].notes == ["app: somebody else's commit is on its update branch"]
    error = outcomes["app"].error
    assert error is not None
    assert error.code == "branch-taken"
    assert theirs[:12] in error.message
    assert town.ref(town.server("app")) == theirs
    assert (town.forge.one("app").title, town.forge.one("app").body) == (pull.title, pull.body)


def test_a_commit_of_ours_that_somebody_amended_here_is_left_alone(town: Town) -> None:
    town.bump_all()
    repos.commit(town.clone("app"), {"note": "mine"}, message="Fix", branch=BRANCH, checkout=False)
    outcomes = run(town)
    assert statuses(outcomes) == ["opened", "failed", "skipped"]
    assert (outcomes["site"].reason, town.ref(town.server("site"))) == ("upstream", None)
    assert town.ref(town.server("app")) is None


def test_the_update_of_a_stale_machine_does_not_take_the_place_of_a_newer_one(town: Town) -> None:
    stale = town.bump("lib", nixpkgs=NEW)
    base = repos.commit(town.clone("lib"), {"more": "1"}, message="More", checkout=False)
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("lib"))
    newer = town.bump("lib", nixpkgs=NEWER)
    repos.run_git("push", "-q", "origin", "main", BRANCH, cwd=town.clone("lib"))
    repos.run_git("update-ref", f"refs/heads/{BRANCH}", stale, cwd=town.clone("lib"))
    outcome = run(town, "lib")["lib"]
    assert (outcome.status, outcome.pushed, outcome.commit) == ("opened", False, newer)
    assert outcome.notes
    assert town.ref(town.server("lib")) == newer
    assert base != stale


def test_a_pull_request_that_a_person_closed_is_opened_again_only_when_asked(town: Town) -> None:
    town.bump_all()
    run(town)
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    town.forge.calls.clear()
    outcome = run(town)["lib"]
    assert (outcome.status, outcome.reason) == ("skipped", "closed")
    assert {what for what, _ in town.forge.calls} == {"find"}
    assert run(town, reopen=True)["lib"].status == "opened"
    assert town.forge.one("lib").state == "open"


def test_the_update_after_a_closed_one_gets_a_pull_request_of_its_own(town: Town) -> None:
    town.bump_all()
    run(town)
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    town.bump_all(NEWER)
    assert run(town)["lib"].status == "opened"
    assert [pull.state for pull in town.forge.pulls["lib"]] == ["closed", "open"]


def test_a_closed_branch_is_not_pushed_again(town: Town) -> None:
    town.bump_all()
    run(town)
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("lib"))
    assert run(town)["lib"].reason == "closed"
    assert town.ref(town.server("lib")) is None


def test_a_forge_that_opens_nothing_again_gets_a_new_pull_request(town: Town) -> None:
    town.bump_all()
    run(town)
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    town.forge.fail["reopen", "lib"] = ForgeError("forge", "the branch was deleted")
    assert run(town, reopen=True)["lib"].status == "opened"
    assert [pull.state for pull in town.forge.pulls["lib"]] == ["closed", "open"]


def test_what_has_been_merged_is_not_published_again(town: Town) -> None:
    commits = town.bump_all()
    run(town)
    squashed = repos.commit(town.server("lib"), {"flake.lock": "{}"}, message="Squashed", branch="main")
    merged = replace(town.forge.one("lib"), state="merged", merged_rev=squashed)
    town.forge.put(Project("", "lib"), merged)
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.server("lib"))
    repos.run_git("update-ref", "refs/heads/main", commits["app"], cwd=town.server("app"))
    outcomes = run(town)
    assert [(each.status, each.reason) for each in outcomes.values()] == [
        ("skipped", "merged"),
        ("skipped", "merged"),
        ("updated", None),  # app is in its base: nothing to wait for any more
    ]
    assert town.ref(town.server("lib")) is None


def test_a_pull_request_that_cannot_be_opened_fails_its_repo_only_and_dependents_say_what_they_lack(
    town: Town,
) -> None:
    town.bump_all()
    town.forge.fail["create", "lib"] = ForgeError("forge-rights", "the token may not do this", hint="another token")
    outcomes = run(town)
    assert statuses(outcomes) == ["failed", "opened", "opened"]
    assert outcomes["lib"].error is not None
    assert outcomes["lib"].error.code == "forge-rights"
    assert any("lib" in note for note in outcomes["app"].notes)
    assert "Depends-On" not in town.forge.one("app").body
    del town.forge.fail["create", "lib"]
    assert statuses(run(town)) == ["opened", "updated", "updated"]
    assert "Depends-On: https://forge.test/lib/pull/1" in town.forge.one("app").body


def test_a_repo_that_fails_before_it_is_pushed_holds_back_its_dependents_and_nothing_else(town: Town) -> None:
    town.bump_all()
    town.forge.fail["find", "app"] = ForgeError("forge-rights", "the token may not do this", hint="another token")
    outcomes = run(town)
    assert [(each.status, each.reason) for each in outcomes.values()] == [
        ("opened", None),
        ("failed", None),
        ("skipped", "upstream"),
    ]
    assert outcomes["site"].notes == ["app: its update branch could not be pushed (error[forge-rights])"]
    assert town.forge.pulls.keys() == {"lib"}
    del town.forge.fail["find", "app"]
    assert statuses(run(town)) == ["unchanged", "opened", "opened"]
    assert "Depends-On: https://forge.test/app/pull/1" in town.forge.one("site").body


def test_a_server_that_does_not_answer_fails_its_repo_and_holds_back_its_dependents(town: Town) -> None:
    town.bump_all()
    town.server("app").rename(town.root / "gone")
    outcomes = run(town)
    assert statuses(outcomes) == ["opened", "failed", "skipped"]
    assert outcomes["app"].error is not None
    assert outcomes["app"].error.code == "unreachable"
    assert outcomes["site"].reason == "upstream"
    assert outcomes["site"].notes == [f"app: {outcomes['app'].error.message}"]


def test_a_run_that_was_cut_off_before_labelling_is_finished_by_the_next(town: Town) -> None:
    town.bump_all()
    run(town)
    town.manifest(publish={"labels": ["flake-lock"], "title": "flake.lock: update {pin} to {new}"})
    assert statuses(run(town)) == ["updated"] * 3
    assert town.forge.one("site").labels == ("flake-lock",)
    assert statuses(run(town)) == ["unchanged"] * 3


def test_a_few_repos_can_be_published_alone_and_still_link_their_upstreams(town: Town) -> None:
    town.bump_all()
    assert [*run(town, "lib")] == ["lib"]
    assert [*run(town, "app")] == ["app"]
    assert "Depends-On: https://forge.test/lib/pull/1" in town.forge.one("app").body
    assert "`app`, `site`" in town.forge.one("lib").body
    assert statuses(run(town, "lib", "app")) == ["unchanged", "unchanged"]


def test_repos_without_an_update_are_skipped_without_a_call(town: Town) -> None:
    outcomes = run(town)
    assert [(each.status, each.reason) for each in outcomes.values()] == [("skipped", "no-update")] * 3
    assert town.forge.calls == []


def test_without_a_forge_branches_are_only_pushed(town: Town) -> None:
    commits = town.bump_all()
    servers = MemoryServers(town.workspace, None)
    first = by_name(town.publish(servers=servers))
    assert [(each.status, each.pushed, each.pull) for each in first.values()] == [("updated", True, None)] * 3
    assert {name: town.ref(town.server(name)) for name in CHAIN} == commits
    again = by_name(town.publish(servers=servers))
    assert [(each.status, each.pushed) for each in again.values()] == [("unchanged", False)] * 3


def test_a_repo_without_url_is_pushed_to_the_origin_of_its_clone(town: Town) -> None:
    commits = town.bump_all()
    town.manifest(repos={name: {"path": f"repos/{name}"} for name in CHAIN})
    repos.run_git("remote", "remove", "origin", cwd=town.clone("site"))
    outcomes = by_name(town.publish(servers=MemoryServers(town.workspace, None)))
    assert [(each.status, each.reason) for each in outcomes.values()] == [
        ("updated", None),
        ("updated", None),
        ("skipped", "no-server"),
    ]
    assert town.ref(town.server("app")) == commits["app"]


def test_a_fresh_set_costs_at_most_four_calls_a_repo(town: Town) -> None:
    town.manifest(publish={"labels": ["flake-lock"], "reviewers": ["jo"]})
    town.bump_all()
    run(town)
    # The adapters' `create` is at most three requests: the pull request, its labels, its reviewers.
    assert {name: [what for what, other in town.forge.calls if other == name] for name in CHAIN} == {
        "lib": ["find", "create"],
        "app": ["find", "create", "depend"],
        "site": ["find", "create", "depend"],
    }


@pytest.mark.parametrize("reason", get_args(SkipReason))
def test_a_skipped_repo_is_left_unless_there_is_nothing_to_do_or_a_later_run_does_it(reason: SkipReason) -> None:
    result = Published(RepoName("lib"), "skipped", reason, None, None, False, None, (), None)
    assert result.is_left == (reason not in ("no-update", "merged", "limit"))
    assert REASONS[reason]


def test_outcomes_are_told_as_they_come(town: Town) -> None:
    town.bump_all()
    told: list[tuple[str, int, int]] = []

    def listen(event: Event[Published]) -> None:
        if isinstance(event, Finished):
            told.append((event.repo, event.done, event.total))

    publish(town.workspace, town.read(), town.everything, town.servers, listener=listen)
    assert told == [("lib", 1, 3), ("app", 2, 3), ("site", 3, 3)]


@pytest.mark.parametrize("jobs", [1, 4])
def test_the_number_of_jobs_changes_nothing(town: Town, jobs: int) -> None:
    town.bump_all()
    assert [outcome.status for outcome in town.publish(jobs=jobs).repos] == ["opened"] * 3
    assert "Depends-On: https://forge.test/app/pull/1" in town.forge.one("site").body


def test_working_trees_and_other_branches_stay_as_they_are(town: Town) -> None:
    town.bump_all()
    before = {name: _refs(town.clone(name)) for name in CHAIN}
    run(town)
    assert before == {name: _refs(town.clone(name)) for name in CHAIN}
    assert repos.run_git("status", "--porcelain", cwd=town.clone("app")) == ""


def _refs(path: Path) -> Sequence[str]:
    return repos.run_git("for-each-ref", cwd=path).splitlines()


def test_a_second_push_of_the_same_moment_loses(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.bump_all()
    real = transfer.push

    def push(path: Path, url: Address, ref: str, new, *, old) -> None:  # type: ignore[no-untyped-def]
        if "lib" in parse_remote(url).url:
            repos.commit(town.server("lib"), {"note": "first"}, branch=BRANCH, parents=[], message="First")
        real(path, url, ref, new, old=old)

    monkeypatch.setattr(transfer, "push", push)
    outcome = run(town)["lib"]
    assert outcome.error is not None
    assert outcome.error.code == "ref-moved"


class Killed(BaseException):
    """The end of a run, at any point."""


@pytest.mark.parametrize("acted", [False, True])
@pytest.mark.parametrize("moment", range(7))
def test_a_run_that_was_killed_is_finished_by_the_next(
    town: Town, monkeypatch: pytest.MonkeyPatch, moment: int, acted: bool
) -> None:
    """moment: which push or call to a forge was the last. acted: whether the server had done it by then."""
    town.bump_all()
    real_push, real_create = transfer.push, MemoryForge.create
    left = [moment]

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0 and not acted:
                raise Killed
            done = real(*arguments, **named)
            if left[0] < 0:
                raise Killed
            return done

        return call

    monkeypatch.setattr(transfer, "push", dying(real_push))
    monkeypatch.setattr(MemoryForge, "create", dying(real_create))
    if moment < 6:
        with pytest.raises(Killed):
            town.publish(jobs=1)
    else:
        town.publish(jobs=1)
    monkeypatch.undo()
    assert {outcome.status for outcome in run(town).values()} <= {"opened", "updated", "unchanged"}
    assert statuses(run(town)) == ["unchanged"] * 3
    assert [len(town.forge.pulls[name]) for name in CHAIN] == [1, 1, 1]
    assert "Depends-On: https://forge.test/app/pull/1" in town.forge.one("site").body


def test_the_text_has_a_line_for_each_repo_and_why_one_failed(town: Town) -> None:
    commits = town.bump_all()
    town.forge.fail["create", "app"] = ForgeError("forge-rights", "the token may not do this", hint="another token")
    results = publish(town.workspace, town.read(), town.everything, town.servers)
    assert to_text(render_publish(publish_document(results, BRANCH), width=100)).splitlines() == [
        "opened     lib   https://forge.test/lib/pull/1",
        f"failed     app   {commits['app'][:7]}  flakesync/update",
        "    error[forge-rights]: the token may not do this",
        "    hint: another token",
        "opened     site  https://forge.test/site/pull/1",
        "    note: the pull request of app is not linked: that repo failed",
        "",
        "2 opened, 1 failed",
    ]
    told = progress_line(Finished(results[0].repo, results[0], 1, 3))
    assert told is not None
    assert to_text([told]) == "[1/3] opened  lib  https://forge.test/lib/pull/1\n"
    repos.run_git("update-ref", "-d", f"refs/heads/{BRANCH}", cwd=town.clone("site"))
    town.forge.put(Project("", "lib"), replace(town.forge.one("lib"), state="closed"))
    lines = to_text(render_publish(run_whole(town, "lib"), width=100)).splitlines()
    assert lines[0] == "skipped    lib  https://forge.test/lib/pull/1  a person has closed it (--reopen)"


def test_without_a_template_a_title_names_the_pin_and_its_new_commit(town: Town) -> None:
    town.manifest(publish={})
    town.bump_all()
    run(town)
    assert {town.forge.one(name).title for name in CHAIN} == {f"flake.lock: update nixpkgs to {NEW[:7]}"}


def test_what_people_have_written_while_a_run_waited_for_hours_stays(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.bump_all()
    run(town)
    town.bump_all(NEWER)
    monkeypatch.setattr("flakesync.publish.publish.STALE_S", -1.0)
    plain = town.forge.get

    def get(project: Project, number: int) -> Pull:
        pull = plain(project, number)
        return town.forge.put(project, replace(pull, body=f"A word of mine.\n\n{pull.body}"))

    monkeypatch.setattr(town.forge, "get", get)
    assert statuses(run(town)) == ["updated"] * 3
    assert all(town.forge.one(name).body.startswith("A word of mine.") for name in CHAIN)


def test_what_was_closed_while_a_run_waited_for_hours_is_not_written_to(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.bump_all()
    run(town)
    town.bump_all(NEWER)
    monkeypatch.setattr("flakesync.publish.publish.STALE_S", -1.0)
    plain = town.forge.get
    monkeypatch.setattr(town.forge, "get", lambda project, number: replace(plain(project, number), state="closed"))
    outcomes = run(town, "lib")
    assert outcomes["lib"].status == "failed"
    assert "is closed now" in outcomes["lib"].error.message  # type: ignore[union-attr]
