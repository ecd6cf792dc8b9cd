"""Pushes as the forges record them: which commits a branch has been at, when, and whether it kept what it had."""

import pytest

from flakesync.demo.forge.model import BranchMove
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.forge.github.adapter import GitHub
from flakesync.forge.model import ForgeError, NewPull, Project, Pull
from flakesync.terms import Rev
from tests.forge import described
from tests.forge.scripted import Script
from tests.forge.sides import Make, Side
from tests.support import repos
from tests.support.forge import Forge as Loopback
from tests.support.forge import faults
from tests.support.forge.client import branch, pushed


def push(side: Side, *commits: str, name: str = "main") -> Rev:
    """Push some commits at once; return the tip."""
    tip = branch(side.hand.project, name, *({"other": text} for text in commits))
    pushed(side.hand)
    return tip


def force(side: Side, text: str) -> Rev:
    """Replace the newest commit of `main`; return the tip."""
    storage = side.hand.project.storage
    parent = Rev(storage.parents(side.tip("main"))[0])
    tip = repos.commit(storage.path, {"other": text}, branch="main", parents=[parent], message=text)
    pushed(side.hand)
    return tip


def test_only_tips_are_told_and_the_newest_comes_first(side: Side) -> None:
    pushed(side.hand)
    first = side.tip("main")
    second, third = push(side, "a", "b", "c"), push(side, "d", "e")
    side.calls()
    found = side.forge.pushes(side.project, "main", since=0)
    assert [each.rev for each in found] == [third, second, first]
    times = [each.time for each in found]
    assert times == sorted(set(times), reverse=True)
    assert side.calls() == 1


def test_other_branches_tags_and_pull_requests_are_left_out(side: Side) -> None:
    pushed(side.hand)
    push(side, "x", name="update")
    side.forge.create(side.project, NewPull("update", "main", "Update", "Body"))
    side.hand.project.storage.git("tag", "v1", side.tip("update"))
    pushed(side.hand)
    assert [each.rev for each in side.forge.pushes(side.project, "main", since=0)] == [side.tip("main")]


def test_a_merge_is_a_push(side: Side) -> None:
    pushed(side.hand)
    side.hand.site.thinks_for = 0
    made = side.forge.create(side.project, NewPull("update", "main", "Update", "Body"))
    done = side.forge.merge(side.project, made, head=side.tip("update"), method="merge")
    assert isinstance(done, Pull)
    newest = side.forge.pushes(side.project, "main", since=0)[0]
    assert newest.rev == side.tip("main") == done.merged_rev
    assert newest.is_forward == (side.project.host == "github.com")


def test_a_deleted_branch_was_never_at_nothing(side: Side) -> None:
    pushed(side.hand)
    old = side.tip("update")
    side.hand.project.storage.set_branch("update", None, old)
    pushed(side.hand)
    assert [each.rev for each in side.forge.pushes(side.project, "update", since=0)] == [old]


def test_only_github_tells_whether_a_branch_kept_what_it_had(side: Side) -> None:
    pushed(side.hand)
    push(side, "a")
    force(side, "b")
    push(side, "c")
    told = [each.is_forward for each in side.forge.pushes(side.project, "main", since=0)]
    # The oldest made the branch: one of that name may have been there before.
    assert told == ([True, False, True, False] if side.project.host == "github.com" else [False] * 4)


@pytest.mark.parametrize(("count", "calls"), [(9, 1), (25, 3)])
def test_as_many_pages_as_it_takes_to_get_far_enough_back(
    make: Make, count: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakesync.forge.github.adapter.PAGE", 10)
    side = make("github")
    recorded(side, count)
    side.calls()
    assert len(side.forge.pushes(side.project, "main", since=0)) == count
    assert side.calls() == calls
    newest = side.forge.pushes(side.project, "main", since=1_000_000 + count - 5)
    assert len(newest) == min(count, 10), "what the page has beyond it was given anyway"
    assert side.calls() == 1


def test_the_pages_are_bounded(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"flakesync.forge.{side.hand.kind}.adapter.PAGE", 3)
    recorded(side, 40)
    side.calls()
    found = side.forge.pushes(side.project, "main", since=0)
    assert side.calls() == 10
    assert (len(found), found[0].time) == (30, 1_000_039)


def recorded(side: Side, count: int) -> None:
    """Let the forge have recorded so many pushes to `main`, a second after another."""
    pushed(side.hand)
    project, tip = side.hand.project, side.tip("main")
    project.moves[:] = [BranchMove("main", tip, tip, 1_000_000.0 + number, "push") for number in range(count)]


def test_a_repository_that_was_renamed_is_found(side: Side) -> None:
    pushed(side.hand)
    side.hand.site.move("acme/lib", "acme/renamed")
    assert [each.rev for each in side.forge.pushes(side.project, "main", since=0)] == [side.tip("main")]


@pytest.mark.parametrize(("status", "code"), [(403, "forge-rights"), (404, "forge-not-found"), (500, "forge")])
def test_a_refusal_is_an_error_with_its_code(side: Side, forge: Loopback, status: int, code: str) -> None:
    def refuse(request: Request, perform: object) -> Answer:
        return Answer(status, {"message": "no"})

    for _ in range(4):
        forge.faults.add(refuse, path="activity|events|feeds")
    with pytest.raises(ForgeError) as caught:
        side.forge.pushes(side.project, "main", since=0)
    assert caught.value.code == code


@pytest.mark.parametrize("rev", ["--upload-pack=x", "main", "A" * 40, "1" * 39, "1" * 40 + "\n"])
def test_what_is_no_commit_id_is_no_push(rev: str) -> None:
    script = Script("https://forge.test", described.github())
    entry = {"id": 1, "node_id": "x", "before": "a", "ref": "refs/heads/main", "actor": None}
    entry |= {"timestamp": "2026-11-20T10:00:00Z", "activity_type": "push"}
    elsewhere = {**entry, "after": "3" * 40, "ref": "refs/heads/other"}  # of a server that does not know the filter
    script.then(200, [{**entry, "after": rev}, {**entry, "after": "2" * 40}, elsewhere])
    client = script.client(GitHub.headers("x"))
    (found,) = GitHub(client).pushes(Project("github.com", "acme/lib"), "main", since=0)
    assert found.rev == "2" * 40
    client.close()


def test_html_in_the_place_of_a_list_is_an_error(side: Side, forge: Loopback) -> None:
    forge.faults.add(faults.html())
    with pytest.raises(ForgeError) as caught:
        side.forge.pushes(side.project, "main", since=0)
    assert caught.value.code == "forge-answer"


def test_a_time_without_its_zone_is_no_time() -> None:
    script = Script("https://forge.test", described.github())
    entry = {"id": 1, "node_id": "x", "before": "a", "after": "b", "ref": "refs/heads/main", "actor": None}
    script.then(200, [{**entry, "timestamp": "2026-11-20T10:00:00", "activity_type": "push"}])
    client = script.client(GitHub.headers("x"))
    with pytest.raises(ForgeError) as caught:
        GitHub(client).pushes(Project("github.com", "acme/lib"), "main", since=0)
    assert caught.value.code == "forge-answer"
    client.close()
