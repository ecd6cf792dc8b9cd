"""Holds that sync has made: inputs that stay where they are, as a repo's checks fail with the commit they should go to.

A hold stands in the update commit, so every machine knows it:

Flakesync-Held: dev#crane 90fe1aa… check "nix flake check" since 2026-11-29
Flakesync-Held-Output: dev#crane "error: attribute 'buildDepsOnly' missing"
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec

from flakesync.errors import GitError
from flakesync.git.store.base import branch_tip
from flakesync.git.store.objects import ObjectReader
from flakesync.git.trailers import trailer, trailers
from flakesync.git.values import Commit
from flakesync.patterns import pattern
from flakesync.terms import FlakeDir, InputPath, RepoName, Rev, iso_day, show_path
from flakesync.workspace.snapshot import RepoAtCommit, Snapshot

HELD = "Flakesync-Held"
OUTPUT = "Flakesync-Held-Output"
HOLD_DAYS = 7
"""After so many days everything is tried anew."""

_RUN = "Flakesync-Run"
_FLAKE_NIX = "flake.nix"
_TEXT = r'"(?:[^"\\]|\\.)*"'
_WORD = r"[A-Za-z0-9._/+@#%-]+"
_NAME = pattern(_WORD)
_HELD = pattern(
    rf"(?P<name>{_TEXT}|{_WORD}) (?P<rev>[0-9a-f]{{40}}(?:[0-9a-f]{{24}})?|{re.escape(_FLAKE_NIX)})"
    rf" check (?P<check>{_TEXT}) since (?P<since>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    r"(?: first-bad (?P<first_bad>[0-9a-f]{40}(?:[0-9a-f]{24})?))?(?P<unproven> unproven)?"
)
_OUTPUT = pattern(rf"(?P<name>{_TEXT}|{_WORD}) (?P<output>{_TEXT})")
_MOST_LINES = 10
_MOST_OUTPUT = 1_000


class CheckHold(msgspec.Struct, frozen=True, kw_only=True):
    """One input that a repo's checks fail with.

    rev: the commit that it should go to; None: to what flake.nix says. check: the command that fails. since: the UTC
    day on which that was found. first_bad: the commit of its repo with which that begins, where it was looked for.
    output: the last lines of the check. proven: False where the check could not be run to its end with it.
    """

    flake: FlakeDir
    input: InputPath
    rev: Rev | None
    check: str
    since: str
    first_bad: Rev | None = None
    output: str = ""
    proven: bool = True

    @property
    def key(self) -> tuple[FlakeDir, InputPath]:
        """Which input it is, of all that the repo has."""
        return self.flake, self.input

    @property
    def reason(self) -> str:
        """Why the input stays, for people."""
        where = self.rev[:12] if self.rev is not None else "what flake.nix says"
        return f"`{self.check}` {self.verdict} with {where}"

    @property
    def verdict(self) -> str:
        """What the check does, for people."""
        return "fails" if self.proven else "does not pass"

    def is_of(self, flake: FlakeDir, input: InputPath, rev: Rev | None) -> bool:
        """Tell whether it holds an input back from a commit; rev: None: from what flake.nix says."""
        return (flake, input, rev) == (self.flake, self.input, self.rev)


def last_lines(output: str) -> str:
    """Return what of a check's output a hold keeps."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-_MOST_LINES:])[-_MOST_OUTPUT:]


def hold_lines(holds: Iterable[CheckHold]) -> tuple[str, ...]:
    """Return the trailers of holds."""
    found: list[str] = []
    for hold in sorted(holds, key=lambda each: each.key):
        name = _name(hold)
        first_bad = f" first-bad {hold.first_bad}" if hold.first_bad is not None else ""
        check = f"check {_quoted(hold.check)} since {hold.since}"
        unproven = "" if hold.proven else " unproven"
        found.append(f"{HELD}: {name} {hold.rev or _FLAKE_NIX} {check}{first_bad}{unproven}")
        found += [f"{OUTPUT}: {name} {_quoted(hold.output)}"] if hold.output else []
    return tuple(found)


def holds_of(commit: Commit) -> tuple[CheckHold, ...]:
    """Return the holds that an update commit has; what is not so written is none."""
    outputs = dict(_outputs(commit))
    found: dict[tuple[FlakeDir, InputPath], CheckHold] = {}
    for value in trailers(commit, HELD):
        said = _HELD.fullmatch(value)
        name, check = (_unquoted(said["name"]), _unquoted(said["check"])) if said is not None else (None, None)
        if said is None or name is None or check is None or _day(said["since"]) is None:
            continue
        flake, mark, path = name.rpartition("#")
        hold = CheckHold(
            flake=FlakeDir(flake if mark else "."),
            input=tuple(path.replace("%23", "#").replace("%25", "%").split("/")),
            rev=Rev(said["rev"]) if said["rev"] != _FLAKE_NIX else None,
            check=check,
            since=said["since"],
            first_bad=Rev(said["first_bad"]) if said["first_bad"] is not None else None,
            output=outputs.get(name, ""),
            proven=said["unproven"] is None,
        )
        found.setdefault(hold.key, hold)
    return tuple(found.values())


def read_check_holds(snapshot: Snapshot, now: int) -> dict[RepoName, tuple[CheckHold, ...]]:
    """Return the holds of update branches that still count, of repos for which the manifest wants some.

    A hold counts while its repo's base is the same, and for less than 7 days; whether its input is still to go to that
    commit is not asked here. What a trailer says is a claim, that can do no more than to leave an input where it is.
    now: seconds since the epoch.
    """
    return dict(_read(snapshot, _day(iso_day(now) or "")))


def _read(snapshot: Snapshot, today: date | None) -> Iterator[tuple[RepoName, tuple[CheckHold, ...]]]:
    for state in snapshot.states.values():
        if not isinstance(state, RepoAtCommit) or state.repo.on_failure.mode != "bisect":
            continue
        commit = _update_commit(state, snapshot.workspace.branch)
        if commit is None or commit.parents != (state.base_rev,) or trailer(commit, _RUN) is None:
            continue
        holds = tuple(each for each in holds_of(commit) if _is_young(each, today))
        if holds:
            yield state.name, holds


def _update_commit(state: RepoAtCommit, branch: str) -> Commit | None:
    try:
        reader = ObjectReader.open(state.clone)
        tip = branch_tip(reader, branch, ("refs/heads/", state.branches.tracking))
        return reader.commit(tip) if tip is not None else None
    except GitError:  # sync meets it again, and says what it is
        return None


def _is_young(hold: CheckHold, today: date | None) -> bool:
    since = _day(hold.since)
    return since is not None and today is not None and 0 <= (today - since).days < HOLD_DAYS


def find_hold(holds: Sequence[CheckHold], flake: FlakeDir, input: InputPath, rev: Rev | None) -> CheckHold | None:
    """Return the hold of an input that is to go to a commit; rev: None: to what flake.nix says."""
    return next((each for each in holds if each.is_of(flake, input, rev)), None)


def _outputs(commit: Commit) -> Iterator[tuple[str, str]]:
    for value in trailers(commit, OUTPUT):
        said = _OUTPUT.fullmatch(value)
        name, output = (_unquoted(said["name"]), _unquoted(said["output"])) if said is not None else (None, None)
        if name is not None and output is not None:
            yield name, output


def _name(hold: CheckHold) -> str:
    path = show_path(hold.input).replace("%", "%25").replace("#", "%23")  # its folder may have a `#`, too
    name = path if hold.flake == "." else f"{hold.flake}#{path}"
    return name if _NAME.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    import json  # every command loads this module, few write a hold

    # ASCII alone: no other character can end the line, or be taken for something else.
    return json.dumps(text.encode("utf-8", "replace").decode())


def _unquoted(text: str) -> str | None:
    if not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text.encode(), type=str)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
