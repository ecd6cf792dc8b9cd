"""Title and body of a pull request: made from the update alone, so that every run makes the same.

Ours is what stands between two markers; what people write around them stays byte for byte. Names, references and
addresses come from locks and servers and are written so that none of them can be markup.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import assert_never

from flakesync.nix.lock.file import LockNode
from flakesync.publish.escape import as_address, as_cell, as_code, as_line, as_link_text
from flakesync.survey.held.check_holds import CheckHold
from flakesync.survey.pins import last_modified
from flakesync.terms import InputPath, RepoName, Rev, iso_day, show_path
from flakesync.update.content import Move, MoveKey, Update, locked_of
from flakesync.update.subject import joined
from flakesync.workspace.audit import Threshold

BEGIN = "<!-- flakesync:begin -->"
END = "<!-- flakesync:end -->"

_ABANDONED = "<!-- flakesync:abandoned -->"
_BLOCK = re.compile(rf"{BEGIN}(?:(?!{BEGIN}).)*?{END}", re.DOTALL)
_RUN = re.compile(r"<!-- flakesync:run ([0-9A-Za-z._-]+) -->")
_PULL_OF = "pull request of "
_DEPENDENTS = "Dependents, which lock this update: "
_SHORT = 7
_MOST_FILES = 20
_MOST_ROWS = 60
_MOST_NAMES = 100
_MOST_SUBJECTS = 3
_SEVERAL = "flake.lock: update {pin}"
_MOST_TITLE = 250
_MOST_RUN = 64
_MOST_OUTPUT = 10
_MOST_ADDRESS = 500


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the table: its text, and where it leads."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Around:
    """What branches do not tell while a set lands.

    landed: commits of base branches, each with the pull request that it came by. dependents: of the published repos.
    """

    landed: Mapping[Rev, Link] = field(default_factory=dict)
    dependents: Sequence[RepoName] = ()


@dataclass(frozen=True, slots=True)
class Audited:
    """New locks that the gate has let pass. sources: how many they name. threshold: what none of them adds."""

    sources: int
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class Content:
    """What the body says. links: of the moves that have one. depends_on: addresses of the upstreams' pull requests.

    dependents: the repos that lock this update. checks: the commands that had to pass. audited: what the gate has let
    pass; None: it is open.
    """

    update: Update
    links: Mapping[MoveKey, Link]
    depends_on: Sequence[str]
    dependents: Sequence[RepoName]
    checks: Sequence[str]
    audited: Audited | None = None


def make_title(template: str | None, repo: RepoName, update: Update) -> str:
    """Return the title that a checked template gives: `{pin}` `{old}` `{new}` `{date}` `{repo}`.

    What is named is the pins that moved, or without any the inputs; of several the first three. template: None for the
    usual one, which names the new commit only where there is no more than one.
    """
    named = _subjects(update)
    if template is None:
        news = {rev for _, _, rev in named}
        template = "flake.lock: update {pin} to {new}" if len(news) == 1 and None not in news else _SEVERAL
    parts = named[:_MOST_SUBJECTS]
    values = {
        "pin": joined([*dict.fromkeys(name for name, _, _ in parts)], len(named) - len(parts)),
        "old": ", ".join(dict.fromkeys(_short(move.old) for _, move, _ in parts if move is not None)) or "none",
        "new": ", ".join(dict.fromkeys(_short(rev) for _, _, rev in parts)),
        "date": max((_day(move.after) for _, move, _ in parts if move is not None), default=""),
        "repo": repo,
    }
    return as_line(template.format_map(values))[:_MOST_TITLE]


def _subjects(update: Update) -> list[tuple[str, Move | None, Rev | None]]:
    """Return what the title names: (name, the move that shows it, the new commit)."""
    by_rev = {move.new: move for move in reversed(update.moves) if move.new is not None}
    pins: list[tuple[str, Move | None, Rev | None]] = [
        (name, by_rev.get(rev), rev) for name, rev in sorted(update.pins.items())
    ]
    moves: list[tuple[str, Move | None, Rev | None]] = [(_name(move), move, move.new) for move in update.moves]
    return pins or moves or [(path, None, None) for path in update.files]


def make_block(content: Content) -> str:
    """Return flakesync's part of the body, markers included, without a final line feed."""
    update = content.update
    parts = [_table(update.moves, content.links)] if update.moves or not update.files else []
    if update.files:
        more = [f"and {len(update.files) - _MOST_FILES} more"] if len(update.files) > _MOST_FILES else []
        parts.append(f"Beside locks it changes {', '.join([*map(as_code, update.files[:_MOST_FILES]), *more])}.")
    if update.below:
        parts.append(f"{update.below} more {'input' if update.below == 1 else 'inputs'} below these moved with them.")
    if update.waivers:
        waived = [f"- {as_code(pin)}: {as_code(reason)}" for pin, reason in sorted(update.waivers.items())]
        parts.append("\n".join(["Cooldown waived:", "", *waived]))
    parts += _held(update.holds)
    if content.depends_on:
        parts.append("\n".join(f"Depends-On: {as_address(url)}" for url in content.depends_on))
    if content.dependents:
        parts.append(f"{_DEPENDENTS}{_listing(content.dependents)}")
    if content.checks:
        parts.append(f"Passed before this branch was moved: {_listing(content.checks)}")
    if content.audited is not None:
        sources = f"{content.audited.sources} source{'' if content.audited.sources == 1 else 's'}"
        parts.append(f"Audit, by the locks alone: {sources}, no new finding at `{content.audited.threshold}` or above.")
    run = re.sub(r"[^0-9A-Za-z._-]", "", update.run)[:_MOST_RUN] or "none"
    parts.append(f"<!-- flakesync:run {run} -->\nThis part is rewritten by every run; what you write around it stays.")
    return "\n\n".join((BEGIN, *parts, END))


def _held(holds: Sequence[CheckHold]) -> Iterator[str]:
    """Yield what is held, why, and the last lines of the check; of inputs that fail alike only once."""
    rows = [f"- {as_code(_input(hold))} {_held_words(hold)}" for hold in holds[:_MOST_ROWS]]
    if holds:
        more = [f"- and {len(holds) - _MOST_ROWS} more"] if len(holds) > _MOST_ROWS else []
        yield "\n".join(["Held, as the checks fail with it:", "", *rows, *more])
    for check, output in dict.fromkeys((hold.check, hold.output) for hold in holds[:_MOST_ROWS] if hold.output):
        yield "\n".join([f"The last lines of {as_code(check)}:", "", *_quoted_lines(output)])


def _held_words(hold: CheckHold) -> str:
    to = _short(hold.rev) if hold.rev is not None else "what flake.nix says"
    words = f"does not go to {as_code(to)}, since {hold.since}: {as_code(hold.check)} {hold.verdict}"
    return words + (f", first with {as_code(_short(hold.first_bad))}" if hold.first_bad not in (None, hold.rev) else "")


def _quoted_lines(output: str) -> list[str]:
    """Return foreign lines, each as code of its own: none can end the list."""
    return [f"- {as_code(line)}" for line in output.splitlines()[-_MOST_OUTPUT:] if line.strip()]


def _input(hold: CheckHold) -> str:
    return _named(hold.flake, hold.input)


def put_into(body: str, block: str) -> str:
    """Return `body` with flakesync's part replaced by `block`, or with `block` below it if it has none yet.

    A body that has the same part already, maybe with other line ends (browsers send their own), is returned as it is.
    """
    found = _BLOCK.search(body)
    if found is None:
        return f"{body}\n\n{block}" if body.strip() else block
    if found[0].replace("\r\n", "\n") == block:
        return body
    return body[: found.start()] + block + body[found.end() :]


def is_ours(body: str) -> bool:
    """Tell whether a body has flakesync's part."""
    return bool(_block_of(body))


def mark_abandoned(body: str) -> str:
    """Return a body whose flakesync's part says that flakesync itself closes the pull request."""
    block = _BLOCK.search(body)
    return body if block is None else f"{body[: block.end() - len(END)]}{_ABANDONED}\n{body[block.end() - len(END) :]}"


def was_abandoned(body: str) -> bool:
    """Tell whether the pull request of a body was closed by `abandon`, and not by a person."""
    return _ABANDONED in _block_of(body)


def run_of(body: str) -> str | None:
    """Return the run that the body was last written for; None: it says none."""
    found = _RUN.search(_block_of(body))
    return found[1] if found is not None else None


def pulls_in(body: str) -> dict[RepoName, str]:
    """Return the pull requests of upstreams that the table of a body links: repo → address."""
    # Only the last cell of a row is a link of ours; what a lock names stands in the others.
    found = re.findall(rf"\| \[{_PULL_OF}([^\]]+)\]\(([^)\s]+)\) \|\s*$", _block_of(body), re.MULTILINE)
    return {RepoName(unescape(name)): url for name, url in found}


def depends_on_in(body: str) -> list[str]:
    """Return the addresses that a body says it depends on."""
    return re.findall(r"^Depends-On: (\S+)\s*$", _block_of(body), re.MULTILINE)


def dependents_in(body: str) -> list[RepoName]:
    """Return the repos that a body names as dependents."""
    lines = re.findall(rf"^{_DEPENDENTS}(.*)$", _block_of(body), re.MULTILINE)
    return [RepoName(name) for line in lines for name in re.findall(r"`([^`]+)`", line)]


def pull_link(repo: RepoName, url: str) -> Link:
    """Return the link to the pull request of an upstream."""
    return Link(f"{_PULL_OF}{repo}", url)


def _block_of(body: str) -> str:
    block = _BLOCK.search(body)
    return block[0] if block is not None else ""


def _table(moves: Sequence[Move], links: Mapping[MoveKey, Link]) -> str:
    rows = ["| input | old | new | dates | changes |", "|---|---|---|---|---|"]
    for move in moves[:_MOST_ROWS]:
        shown = _link(links.get(move.key))
        cells = (as_cell(_name(move)), as_cell(_locked(move.before)), as_cell(_locked(move.after)), _dates(move), shown)
        rows.append(f"| {' | '.join(cells)} |")
    if len(moves) > _MOST_ROWS:
        rows.append(f"| and {len(moves) - _MOST_ROWS} more | | | | |")
    return "\n".join(rows)


def _link(link: Link | None) -> str:
    if link is None or len(link.url) > _MOST_ADDRESS:  # a lock can hold names of any length
        return ""
    return f"[{as_link_text(link.text)}]({as_address(link.url)})"


def _name(move: Move) -> str:
    return _named(move.flake, move.path)


def _named(flake: str, path: InputPath) -> str:
    return show_path(path) if flake == "." else f"{flake}#{show_path(path)}"


def _locked(entry: LockNode | InputPath | None) -> str:
    match entry:
        case None:
            return "none"
        case LockNode():
            locked = locked_of(entry)
            return _short(str(locked.get("rev") or locked.get("narHash") or "none"))
        case tuple():
            return f"follows {show_path(entry)}"
        case _:
            assert_never(entry)


def _short(text: str | None) -> str:
    if text is None:
        return "none"
    return text[:_SHORT] if re.fullmatch(r"[0-9a-f]{40,64}", text) else text[:20]


def _dates(move: Move) -> str:
    days = [day for day in (_day(move.before), _day(move.after)) if day]
    return " → ".join(days)


def _day(entry: LockNode | InputPath | None) -> str:
    return iso_day(last_modified(locked_of(entry))) or ""


def _listing(words: Iterable[str]) -> str:
    every = list(words)
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return ", ".join(map(as_code, every[:_MOST_NAMES])) + more
