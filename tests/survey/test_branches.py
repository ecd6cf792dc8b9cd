"""New branches are looked for with one question a repository, and all that are missing are named at once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flakesync.errors import FlakesyncError
from flakesync.git.remotes import remote
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.edits.branches import find_branches
from flakesync.terms import PinName, Rev
from flakesync.workspace import archive
from flakesync.workspace.settings.moving import PinMove
from tests.support.releases import NEW, OLD, Releases
from tests.support.repos import run_git


def move(name: str, source: str, before: str = OLD, after: str = NEW) -> PinMove:
    return PinMove(PinName(name), before, after, FlakeRef.parse(source))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"git+{Releases(tmp_path / 'w').space.url('nixpkgs')}"


def test_two_pins_of_a_repository_are_one_question(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    real = remote.list_refs

    def count(where: remote.Remote, patterns: Sequence[str]) -> dict[str, Rev]:
        asked.append(patterns)
        return real(where, patterns)

    monkeypatch.setattr(remote, "list_refs", count)
    path = Path(url.removeprefix("git+file://"))
    run_git("tag", "-a", "-m", "x", "v2", OLD, cwd=path)
    moves = [move("a", f"{url}?ref={NEW}"), move("b", f"{url}?ref={OLD}"), move("c", f"{url}?ref=v2", after="v2")]
    found = find_branches(moves, 2, None, release=True)
    assert len(asked) == 1
    assert found[PinName("a")].rev == run_git("rev-parse", NEW, cwd=path).strip()
    assert found[PinName("b")].rev == found[PinName("c")].rev


def test_all_that_are_missing_are_named_with_how_to_leave_them(url: str) -> None:
    moves = [
        move("a", f"{url}?ref=x-1", "x-0", "x-1"),
        move("b", f"{url}?ref={NEW}"),
        move("c", f"{url}?ref=y", "y-0", "y"),
    ]
    with pytest.raises(FlakesyncError) as caught:
        find_branches(moves, 2, None, release=True)
    assert caught.value.code == "no-branch"
    assert caught.value.message == f"{url} has no branch x-1; {url} has no branch y"
    assert caught.value.hint == "leave them at x-0 and y-0 for now: --except a --except c"


def test_the_server_of_a_channel_is_asked_for_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    rev = Rev("1" * 40)

    def newest(reference: FlakeRef, hosts: object) -> archive.Archive:
        assert reference.to_url() == "https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz"
        return archive.Archive(rev, 1_700_000_000, {"type": "tarball"})

    monkeypatch.setattr(archive, "newest_archive", newest)
    found = find_branches([move("a", "https://channels.nixos.org/nixos-26.05/nixexprs.tar.xz")], 2, None, release=True)
    assert (found[PinName("a")].rev, found[PinName("a")].last_modified) == (rev, 1_700_000_000)


def test_a_server_that_does_not_answer_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FlakesyncError) as caught:
        find_branches([move("a", f"git+file://{tmp_path}/nothing?ref=x")], 2, None, release=True)
    assert caught.value.code != "no-branch"
