"""Where commits stand in the history of a server: on the branch that is named, on another branch or tag, or on none.

Only branches and tags count. A forge hands out the commits of forks and of pull requests too, to whoever names one:
that a commit can be fetched says nothing, so it is looked for in what is fetched of branches and tags alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flakesync.cache.layout import branches_folder
from flakesync.errors import INTERRUPTED, GitError
from flakesync.git.remotes import branch_history as kept
from flakesync.git.remotes.branch_history import HistoryAnswer
from flakesync.git.remotes.own import kept_as
from flakesync.git.remotes.remote import TIMEOUT_S, Address, Remote, parse_remote, run
from flakesync.git.store.objects import ObjectReader
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

Refs = Mapping[str, Rev]
"""The branches and tags of a server by their full names; `^{}` after a tag's name: the commit that it leads to."""

_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_ALL = {_HEADS: "refs/flakesync/heads/", _TAGS: "refs/flakesync/tags/"}
"""Where all branches and tags of a server are kept; those that one lock names alone have names of their own."""
_WHOLE = "--depth=2147483647"
"""Takes back that a history was cut off; git has a word for it that fails where it was not."""
_PRUNE = "--prune"
_HEAD = "HEAD"
_FEW = 3
_LACKS = ("only a part of its history", "did not send all necessary objects", "bad object", "missing")
"""What is said of a repository that is not whole, where none of it was cut off."""
# A history that was cut off at a date cannot always be made whole: git then looks for a commit that was left out.
_CANNOT_GROW = ("error in object: unshallow", "object not found: unshallow")


class HistoryQuestion(NamedTuple):
    """Where does a commit stand? ref: the branch or tag that is named; None: the server's HEAD.

    any_ref: one branch is as good as another, `ref` is only where to look first. date: when it was made, as somebody
    claims (seconds since the epoch): it decides how much is fetched, never what is answered. counted: how many commits
    lead to it is asked too, which takes the whole history.
    """

    ref: str | None
    rev: Rev
    any_ref: bool
    date: int
    counted: bool


Answers = Mapping[HistoryQuestion, HistoryAnswer | GitError]


def known_history(url: Address, questions: Iterable[HistoryQuestion], cache: Path, *, final: bool) -> Answers:
    """Return what earlier runs have found; no process is started.

    final: only what does not change any more: a commit that has been on its branch has been published there. That one
    was on no branch may change, and is for those who can ask no server.

    Raises: GitError(`bad-url` | `bad-ref`).
    """
    answers = kept.read_answers(branches_folder(cache, parse_remote(url).place))
    found = ((each, answers.get(kept.answer_key(each.ref, each.rev))) for each in questions)
    return {each: answer for each, answer in found if answer and (not final or _is_final(each, answer))}


def _is_final(question: HistoryQuestion, answer: HistoryAnswer) -> bool:
    is_there = answer.named or (question.any_ref and bool(answer.others))
    return is_there and answer.time is not None and not (question.counted and answer.count is None)


def list_branches_and_tags(url: Address) -> Refs:
    """Return the branches and tags of a server; those of pull requests, of which there are many, are not sent.

    Raises: GitError(`access-denied` | `unreachable` | `bad-url`).
    """
    remote = parse_remote(url)
    answer = run(["ls-remote", "--heads", "--tags", "--", remote.name], remote, timeout_s=TIMEOUT_S)
    pairs = (line.partition("\t") for line in answer.lines)
    return {name: Rev(value) for value, _, name in pairs}


def ask_history(url: Address, questions: Sequence[HistoryQuestion], cache: Path, refs: Refs | None = None) -> Answers:
    """Return where commits stand in the history of the server at `url`, or for each why that is not known.

    refs: what the server has just been found to have; None: it is asked. Fetched are commits without their files: of
    the branch that is named what it has had since the day before the claimed date; where that lacks the commit all of
    that branch; and only where it lacks it too all branches and tags. What is in a branch is not asked for again.

    Raises: GitError(`cache` | `unreachable` | `access-denied` | `bad-url` | `bad-ref`).
    """
    remote = parse_remote(url)
    path = branches_folder(cache, remote.place)
    with kept.locked(path):
        found = {**known_history(remote, questions, cache, final=True)}
        rest = [each for each in questions if each not in found]
        if rest:
            refs = refs if refs is not None else list_branches_and_tags(remote)
            is_new = kept.open_commits(path, refs.values())
            found |= _Search(remote, path, refs, was_there=not is_new).answer(rest)
            kept.keep_answers(
                path,
                {
                    kept.answer_key(each.ref, each.rev): answer
                    for each, answer in found.items()
                    if isinstance(answer, HistoryAnswer)
                },
            )
        return found


class _Search:
    """A search in one server's history; each step fetches more than the one before it, for what is still open."""

    def __init__(self, remote: Remote, path: Path, refs: Refs, *, was_there: bool) -> None:
        self._was_there = was_there
        self._is_anew = False
        self._remote = remote
        self._path = path
        self._refs = refs
        self._is_headless = False
        self._is_sound = True
        self._found: dict[HistoryQuestion, HistoryAnswer | GitError] = {}
        # What is locked may be the tag itself, an object with a name of its own.
        self._tagged = {value: refs[f"{name}^{{}}"] for name, value in refs.items() if f"{name}^{{}}" in refs}

    def answer(self, questions: Sequence[HistoryQuestion]) -> Answers:
        """Answer all of them."""
        self._try(questions)
        rest = [each for each in questions if self._is_lacking(self._found[each])]
        if rest:
            self._begin_anew()
            self._try(rest)
        self._count()
        return self._found

    def _is_lacking(self, answer: HistoryAnswer | GitError) -> bool:
        """Tell whether something is wrong with what is here, so that it is to be fetched once more."""
        if not isinstance(answer, GitError):
            return False
        # A power cut may have damaged it; where it was made just now, its server has no more.
        return self._was_there and any(words in answer.message for words in _LACKS)

    def _try(self, questions: Sequence[HistoryQuestion]) -> None:
        """Note an answer to each question."""
        rest = list(questions)
        try:
            for step in (self._nothing, self._newest, self._whole):
                step([name for each in rest for name in self._named(each)], min(each.date for each in rest))
                rest = self._settle(rest)
                if not rest:
                    return
            self._everything()
            self._settle_elsewhere(rest)
        except GitError as error:
            if error.code in INTERRUPTED:
                raise
            self._found |= dict.fromkeys(rest, error)

    def _find(self, tips: Sequence[str], revs: frozenset[Rev]) -> Mapping[Rev, int]:
        times, self._is_sound = kept.find_commits(self._path, tips, revs)
        return times

    def _commit(self, rev: Rev) -> Rev:
        return self._tagged.get(rev, rev)

    def _named(self, question: HistoryQuestion) -> tuple[str, ...]:
        """Return the server's refs that a question names; empty: it has none of that name."""
        ref = question.ref
        if ref is None:
            return () if self._is_headless else (_HEAD,)
        names = (ref,) if ref.startswith("refs/") else (_HEADS + ref, _TAGS + ref)
        return tuple(name for name in names if name in self._refs)

    def _nothing(self, names: Sequence[str], date: int) -> None:
        """Look at what is here already: a branch that has been fetched has had it."""

    def _newest(self, names: Sequence[str], date: int) -> None:
        """Fetch what branches have had since a date."""
        option = kept.since(date)
        # One that is whole is not cut off: what is new is little.
        is_empty = all(self._reader().ref(kept_as(name)) is None for name in names)
        if option is not None and not self._is_anew and (is_empty or self._is_cut_off()):
            self._fetch(names, [option])
        else:
            self._fetch([name for name in names if self._reader().ref(kept_as(name)) != self._refs.get(name)])

    def _whole(self, names: Sequence[str], date: int) -> None:
        """Fetch all of some branches."""
        if self._is_cut_off() or any(self._reader().ref(kept_as(name)) is None for name in names):
            self._fetch(names, [_WHOLE])

    def _everything(self) -> None:
        """Fetch all branches and tags."""
        pairs = [f"+{theirs}*:{ours}*" for theirs, ours in _ALL.items()]
        options = [_PRUNE, *([_WHOLE] if self._is_cut_off() else [])]
        without: set[str] = set()
        if not self._is_cut_off() and kept.read_refs(self._path, _ALL) == self._branches_and_tags():
            return  # nothing has moved since they were fetched
        while self._refs:
            try:
                self._fetch_as([*pairs, *(f"^{name}" for name in without)], options)
            except GitError as error:
                # A tag may be of a file or a tree, which servers do not send to those who want commits alone.
                more = {name.removesuffix("^{}") for name, value in self._refs.items() if value in error.message}
                if not more - without or any(name.startswith(_HEADS) for name in more):
                    raise
                without |= more
            else:
                return

    def _branches_and_tags(self) -> Refs:
        return {name: value for name, value in self._refs.items() if not name.endswith("^{}")}

    def _settle(self, questions: Sequence[HistoryQuestion]) -> list[HistoryQuestion]:
        """Answer the questions about commits that are on the branches they name, here; return the others."""
        by_names: dict[tuple[str, ...], list[HistoryQuestion]] = {}
        for each in questions:
            by_names.setdefault(self._named(each), []).append(each)
        rest = []
        for names, asked in by_names.items():
            tips = [kept_as(name) for name in names if self._reader().ref(kept_as(name)) is not None]
            revs = frozenset(self._commit(each.rev) for each in asked)
            times = self._find(tips, revs)
            for each in asked:
                time = times.get(self._commit(each.rev))
                if time is None:
                    rest.append(each)
                else:
                    self._found[each] = HistoryAnswer(named=True, time=time)
        return rest

    def _settle_elsewhere(self, questions: Sequence[HistoryQuestion]) -> None:
        """Answer the questions about commits that are not on the branches they name."""
        tips = [f"--glob={folder}*" for folder in _ALL.values()]
        revs = frozenset(self._commit(each.rev) for each in questions)
        times = self._find(tips, revs)
        folders = tuple(_ALL.values())
        others = {rev: tuple(map(_theirs, kept.refs_with(self._path, rev, folders, _FEW))) for rev in times}
        is_part = not self._is_sound or self._is_cut_off()
        for each in questions:
            rev = self._commit(each.rev)
            if is_part and rev not in times:
                shown = hide_secrets(self._remote.url)
                self._found[each] = GitError("shallow", f"{shown} has sent {_LACKS[0]}")
            else:
                gone = not self._named(each)
                self._found[each] = HistoryAnswer(
                    named=False, others=others.get(rev, ()), gone=gone, time=times.get(rev)
                )

    def _count(self) -> None:
        """Count what leads to commits, where that is asked and the whole history is to be had."""
        asked = {
            each: answer
            for each, answer in self._found.items()
            if each.counted and isinstance(answer, HistoryAnswer) and answer.time is not None
        }
        try:
            if asked and self._is_cut_off():
                self._whole([name for each in asked for name in self._named(each)], 0)
            if not self._is_sound or self._is_cut_off():
                return
            for each, answer in asked.items():
                count = kept.count_commits(self._path, self._commit(each.rev))
                self._found[each] = HistoryAnswer(answer.named, answer.others, answer.gone, answer.time, count)
        except GitError as error:
            if error.code in INTERRUPTED:
                raise
            # Where the commit stands is known all the same.

    def _fetch(self, names: Sequence[str], options: Sequence[str] = ()) -> None:
        """Fetch some refs of the server. Raises: GitError."""
        names = list(dict.fromkeys(names))
        try:
            self._fetch_as([f"+{name}:{kept_as(name)}" for name in names], options)
        except GitError as error:
            if kept.NOTHING_NEWER in error.message:
                return
            if error.code != "no-such-ref" or _HEAD not in names or self._is_headless:
                raise
            self._is_headless = True  # it names a branch that is not there (any more)
            self._fetch([name for name in names if name != _HEAD], options)

    def _fetch_as(self, refspecs: Sequence[str], options: Sequence[str]) -> None:
        """Raises: GitError."""
        if not refspecs:
            return
        try:
            kept.fetch_commits(self._remote, self._path, refspecs, options)
        except GitError as error:
            if any(words in error.message for words in _CANNOT_GROW):
                self._begin_anew()
            elif not any(words in error.message for words in kept.NO_SHALLOW):
                raise
            # A server without shallow histories sends everything; so does one that is asked by an empty repository.
            kept.fetch_commits(self._remote, self._path, refspecs, [each for each in options if each == _PRUNE])

    def _begin_anew(self) -> None:
        """Put an empty repository in the place of what is here; what is fetched from now on is whole."""
        kept.remove(self._path)
        kept.open_commits(self._path, self._refs.values())
        self._is_anew = True

    def _is_cut_off(self) -> bool:
        return (self._path / "shallow").exists()

    def _reader(self) -> ObjectReader:
        return ObjectReader.open(self._path)


def _theirs(ref: str) -> str:
    """Return what the server calls a ref that is kept here."""
    return next(theirs + ref.removeprefix(ours) for theirs, ours in _ALL.items() if ref.startswith(ours))
