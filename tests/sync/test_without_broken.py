"""Work on all repos in one go, where it ends in one of them for what nobody foresaw."""

from collections.abc import Callable

import pytest

from flakesync.errors import RepoError
from flakesync.survey.broken import without_broken
from flakesync.terms import RepoName
from flakesync.workspace.snapshot import Snapshot, UnreadableRepo
from tests.support.workspaces import scene

NAMES = ("app", "lib", "tool")


def ends_in(*names: str, times: int = 1) -> Callable[[Snapshot], list[str]]:
    """Return work that ends in each of these repos in turn, so many times, and then gives those that can be read."""
    left = [name for name in names for _ in range(times)]

    def work(snapshot: Snapshot) -> list[str]:
        if left:
            name = left.pop(0)
            raise RepoError(name, ZeroDivisionError(f"in {name}"))
        return [name for name, state in snapshot.states.items() if not isinstance(state, UnreadableRepo)]

    return work


@pytest.fixture
def snapshot() -> Snapshot:
    return scene({name: {} for name in NAMES}).survey({}).snapshot


@pytest.mark.parametrize("broken", [(), ("tool",), ("app", "lib"), NAMES])
def test_it_is_done_again_without_the_repos_that_it_ended_in(snapshot: Snapshot, broken: tuple[str, ...]) -> None:
    assert without_broken(snapshot, ends_in(*broken)) == [name for name in NAMES if name not in broken]
    assert not any(isinstance(state, UnreadableRepo) for state in snapshot.states.values()), "the caller's own"


def test_a_repo_that_it_ended_in_is_unreadable_with_that_error(snapshot: Snapshot) -> None:
    ends = ends_in("tool")

    def work(snapshot: Snapshot) -> Snapshot:
        ends(snapshot)
        return snapshot

    state = without_broken(snapshot, work).states[RepoName("tool")]
    assert isinstance(state, UnreadableRepo)
    assert (state.error.code, state.base) == ("bug", state.repo.base)
    assert "ZeroDivisionError: in tool" in state.error.message


def test_where_it_still_ends_in_a_repo_that_is_not_read_any_more_that_is_the_end(snapshot: Snapshot) -> None:
    with pytest.raises(RepoError, match="in tool"):
        without_broken(snapshot, ends_in("tool", times=2))


def test_what_is_no_repos_is_the_callers() -> None:
    def work(_: Snapshot) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        without_broken(scene({}).survey({}).snapshot, work)
