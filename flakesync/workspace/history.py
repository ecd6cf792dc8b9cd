"""Where a locked commit stands in its upstream's history: the answers that drift and plan are decided on."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, assert_never

import msgspec

from flakesync.cache.records import KeptRecords
from flakesync.errors import GitError, within
from flakesync.git.store.base import default_branch
from flakesync.git.store.objects import ObjectReader
from flakesync.terms import RepoName, Rev
from flakesync.workspace.snapshot import PlainFolder, RepoAtCommit, Snapshot, UnreadableRepo

if TYPE_CHECKING:
    from flakesync.git.repository import Repository

Position = Literal["at", "behind", "landed", "unlanded", "ahead", "tag", "unknown"]


class Gap(msgspec.Struct, frozen=True):
    """What may be why a clone does not place a commit.

    tip_time: the date of the branch's commit, and fetched: when the clone last was (seconds since the epoch; None: not
    known). shallow: whether its history is cut off.
    """

    tip_time: int | None
    fetched: int | None
    shallow: bool


class Answer(msgspec.Struct, frozen=True):
    """Where a locked commit stands against a branch of its upstream.

    tip: the branch's commit; None: there is no such branch. behind: the number of commits that the branch is ahead
    (0 for `at`; for the others what the branch has and the commit has not; None: unknown).
    position: `at` the tip · `behind` it · `unlanded`: only on the update branch · `landed`: an update commit that the
    branch has in another form (a squash, say); `ask` never says so, landing finds it out · `ahead`: the branch is
    contained in it, or it is on some other branch · `tag`: what is tracked is no branch but a tag, which does not
    move · `unknown`: not in the repository at all, or no such branch.
    on_base: whether the branch is the repo's base branch. gap: of a commit that has no place on the branch. default:
    the name of the branch, where it was asked for as the default branch and is not the base.
    """

    position: Position
    tip: Rev | None
    behind: int | None
    on_base: bool
    gap: Gap | None = None
    default: str | None = None


Question = tuple[RepoName, str | None, Rev]
"""Where does this commit stand against this branch of this repo? A branch of None is the repo's default branch."""

History = Mapping[Question, Answer]

HISTORY_FORMAT = ("flakesync/history/1", "")
"""How the file begins that keeps how many commits a commit is behind another."""
_count = msgspec.msgpack.Decoder(Annotated[int, msgspec.Meta(ge=1)])


def ask(snapshot: Snapshot, questions: Iterable[Question], kept: KeptRecords | None = None) -> History:
    """Answer many questions, opening each upstream once; what needs no history costs nothing.

    kept: how far commits were behind others in earlier runs, which stays as it is: histories are looked at for what has
    moved since, and libgit2, which takes 75 ms to load, is not needed for the rest.

    Raises: RepoError.
    """
    answers: dict[Question, Answer] = {}
    by_repo: dict[RepoName, tuple[RepoAtCommit, set[tuple[str | None, Rev]]]] = {}
    for name, branch, rev in questions:
        state = snapshot.states[name]
        on_base = branch is None or branch == state.base
        match state:
            # The most common answer, for which the repository need not be opened.
            case RepoAtCommit() if on_base and rev == state.rev:
                answers[name, branch, rev] = Answer("at", state.rev, 0, on_base=True)
            case RepoAtCommit():
                by_repo.setdefault(name, (state, set()))[1].add((branch, rev))
            case PlainFolder() | UnreadableRepo():
                answers[name, branch, rev] = Answer("unknown", None, None, on_base)
            case _:
                assert_never(state)
    for name, (state, asked) in sorted(by_repo.items()):
        with within(name):
            for key, answer in _from_history(snapshot, state, asked, kept).items():
                answers[name, *key] = answer
    return answers


def _from_history(
    snapshot: Snapshot, state: RepoAtCommit, asked: Iterable[tuple[str | None, Rev]], kept: KeptRecords | None
) -> dict[tuple[str | None, Rev], Answer]:
    """Return the answers to questions on one repo, whose history is opened where one of them is new."""
    answers: dict[tuple[str | None, Rev], Answer] = {}
    left: list[tuple[str | None, Rev]] = []
    reader = ObjectReader.open(state.clone)
    # A history that is cut off may have grown, or been cut again, since it was looked at.
    if Path(reader.common_dir, "shallow").exists():
        kept = None
    default = state.branches.default
    if default is None and any(branch is None for branch, _ in asked):
        default = default_branch(reader, state.branches.refs)
    for branch, rev in sorted(asked, key=lambda key: (key[0] or "", key[1])):
        known = _known(kept, rev, state.rev) if (default if branch is None else branch) == state.base else None
        if known is not None:
            answers[branch, rev] = known
        else:
            left.append((branch, rev))
    if left:
        answers |= _look_up(snapshot, state, left, default, kept)
    return answers


def _known(kept: KeptRecords | None, rev: Rev, tip: Rev) -> Answer | None:
    """Return the answer for a commit that was found behind a base branch before; None: it was not."""
    data = kept.get(f"{rev} {tip}") if kept is not None else None
    if data is None:
        return None
    try:
        return Answer("behind", tip, _count.decode(data), on_base=True)
    except ValueError:
        return None


def _look_up(
    snapshot: Snapshot,
    state: RepoAtCommit,
    asked: Iterable[tuple[str | None, Rev]],
    default: str | None,
    kept: KeptRecords | None,
) -> dict[tuple[str | None, Rev], Answer]:
    from flakesync.git.repository import Repository

    answers: dict[tuple[str | None, Rev], Answer] = {}
    update = snapshot.workspace.branch
    with Repository.open(state.clone) as repository:
        for branch, rev in asked:
            name = branch if branch is not None else default
            on_base = name == state.base
            try:
                tip = state.rev if on_base else (_tip(repository, state, name, update) if name else None)
                if tip is None and name and _is_tag(repository, state, name):
                    answers[branch, rev] = Answer("tag", None, None, on_base)
                else:
                    answer = _stand(repository, update, rev, tip, on_base=on_base)
                    if kept is not None and on_base and answer.position == "behind":
                        kept.add(f"{rev} {tip}", msgspec.Raw(msgspec.msgpack.encode(answer.behind)))
                    if branch is None and not on_base:
                        answer = msgspec.structs.replace(answer, default=name)
                    if tip is not None and answer.position in ("ahead", "unknown"):
                        answer = msgspec.structs.replace(answer, gap=_gap(repository, state, tip))
                    answers[branch, rev] = answer
            except GitError:  # a name that no branch can have, a history that is not all there
                answers[branch, rev] = Answer("unknown", state.rev if on_base else None, None, on_base)
    return answers


def _tip(repository: "Repository", state: RepoAtCommit, name: str, update: str) -> Rev | None:
    # The update branch is the clone's own: it is pushed later.
    return repository.branch(name) if name == update else state.branches.tip(repository.reader, name)


def _is_tag(repository: "Repository", state: RepoAtCommit, name: str) -> bool:
    return name in state.branches.tags or repository.ref(f"refs/tags/{name}") is not None


def _gap(repository: "Repository", state: RepoAtCommit, tip: Rev) -> Gap:
    common = repository.common_dir
    fetched = state.branches.fetched
    if fetched is None and not state.branches.of_server:
        with contextlib.suppress(OSError):
            fetched = int((common / "FETCH_HEAD").stat().st_mtime)
    return Gap(repository.commit(tip).committer.time, fetched, (common / "shallow").is_file())


def _stand(repository: "Repository", update: str, rev: Rev, tip: Rev | None, *, on_base: bool) -> Answer:
    if tip is None or not repository.has(rev):
        return Answer("unknown", tip, None, on_base)
    if rev == tip:
        return Answer("at", tip, 0, on_base)
    ahead, behind = repository.history.ahead_behind(rev, tip)
    if ahead == 0:
        return Answer("behind", tip, behind, on_base)
    update_tip = repository.branch(update)
    if update_tip is not None and (rev == update_tip or repository.history.is_ancestor(rev, update_tip)):
        return Answer("unlanded", tip, behind, on_base)
    return Answer("ahead", tip, behind, on_base)
