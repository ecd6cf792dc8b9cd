"""One machine synced and published, another one landed: what the first one has left is not published again."""

from pathlib import Path

import pytest

from flakesync.documents.pulls.publish import PublishOutcome
from flakesync.report.publish import render_publish
from flakesync.report.text import to_text
from tests.support import repos
from tests.support.landing import Landing
from tests.support.memory_forge import Way
from tests.support.nixspace import Space, Take

NAMES = ("lib", "app", "top")


@pytest.fixture
def first(tmp_path: Path) -> Landing:
    """Return a workspace that this machine has synced and published."""
    space = Space(tmp_path / "space")
    space.add("lib").add("app", {"nixpkgs": Take(), "lib": Take()}).add("top", {"nixpkgs": Take(), "app": Take()})
    landing = Landing(space)
    landing.sync()
    landing.publish()
    return landing


def published(landing: Landing) -> dict[str, PublishOutcome]:
    return {outcome.repo: outcome for outcome in landing.publish().repos}


def reasons(found: dict[str, PublishOutcome]) -> list[str | None]:
    return [found[name].reason for name in NAMES]


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Work on another machine until the patch is undone: one that has no mirrors yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other-cache"))
    return monkeypatch


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
def test_what_another_machine_has_landed_is_not_published_again(
    first: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    first.forge.way = way
    with monkeypatch.context() as patch:
        elsewhere(patch, tmp_path)
        assert set(first.land().statuses.values()) == {"landed"}
    first.forge.calls.clear()
    found = published(first)
    assert reasons(found) == ["merged", "stale", "stale"]
    assert all("`flakesync sync` makes it anew" in note for name in ("app", "top") for note in found[name].notes)
    assert set(first.forge.calls) <= {("find", "app"), ("find", "lib"), ("find", "top")}
    assert len(first.forge.calls) == len(set(first.forge.calls))
    assert [first.update(name) for name in NAMES] == [None] * 3
    assert [len(first.forge.pulls[name]) for name in NAMES] == [1] * 3
    assert set(first.sync().statuses.values()) == {"unchanged"}
    assert reasons(published(first)) == ["no-update"] * 3
    first.assert_done()


def test_a_branch_that_another_machine_has_made_anew_stays(
    first: Landing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.forge.delete = True
    first.forge.press("lib", "squash")
    with monkeypatch.context() as patch:
        elsewhere(patch, tmp_path)
        assert first.land(merge=False).statuses == {"app": "repinned", "top": "waiting"}
    tip = first.update("app")
    found = published(first)
    assert reasons(found) == ["merged", "stale", None]
    assert found["app"].notes == [
        "it locks an update of lib that has not landed as such: `flakesync sync` makes it anew"
    ]
    assert first.update("app") == tip
    # What is out already is left as it is: landing makes it anew when its turn comes.
    assert found["top"].status == "unchanged"
    assert first.sync().statuses == {"lib": "unchanged", "app": "updated", "top": "updated"}
    assert {outcome.status for outcome in published(first).values()} == {"updated", "skipped"}


def test_an_update_of_locks_that_somebody_has_changed_waits_for_a_sync(first: Landing) -> None:
    lock = first.forge.storage("lib").git("show", "main:flake.lock") + "\n\n"
    tip = first.update("lib")
    first.sync()
    first.space.commit("lib", {"flake.lock": lock}, message="By hand")
    first.forge.storage("lib").git("update-ref", "-d", "refs/heads/flakesync/update")
    document = first.publish("lib")
    (outcome,) = document.repos
    assert (outcome.reason, outcome.commit) == ("stale", tip)
    assert first.update("lib") is None
    assert to_text(render_publish(document, width=200)).splitlines()[1] == (
        "    note: the locks of main have changed since it was made: `flakesync sync` makes it anew"
    )


def test_a_base_that_moved_without_its_locks_is_no_reason(first: Landing) -> None:
    first.space.commit("lib", {"news": "x"}, message="News")
    first.forge.storage("lib").git("update-ref", "-d", "refs/heads/flakesync/update")
    assert published(first)["lib"].status == "updated"
    assert first.update("lib") is not None


@pytest.mark.parametrize("read", ["local", "server"])
def test_a_clone_is_to_be_brought_up_to_date_only_where_its_own_branches_count(tmp_path: Path, read: str) -> None:
    space = Space(tmp_path / "space")
    space.add("lib")
    landing = Landing(space, plain=["lib"])
    clone = tmp_path / "clone"
    repos.run_git("clone", "-q", str(space.path("lib")), str(clone), cwd=tmp_path)
    text = landing.file.read_text().replace("[repos.lib]", f'[repos.lib]\npath = "{clone}"')
    landing.file.write_text(text.replace("[workspace]", f'[workspace]\nread = "{read}"'))
    landing.sync()
    space.commit("lib", {"flake.lock": "{}"}, message="By hand")
    (outcome,) = landing.publish().repos
    assert outcome.reason == "stale"
    by_hand = f"bring main up to date in {clone}, and `flakesync sync`" in outcome.notes[0]
    assert by_hand == (read == "local")
