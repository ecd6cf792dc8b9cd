"""The answer of `flakesync move` for people."""

from collections.abc import Iterator

from flakesync.documents.move import LeftMove, MoveDocument, MovedPin, RepoMove
from flakesync.report.text import (
    BLANK,
    Line,
    Span,
    count,
    day,
    fold,
    hang,
    input_name,
    line,
    line_width,
    row,
    share,
    short,
    shown,
    widest,
    with_detail,
    wrap,
)

_MOST = 30
_REV_AND_DAY = 2 + 7 + 2 + 10 + 3 * 2


def render_move(document: MoveDocument, *, manifest: str, width: int) -> list[Line]:
    """Return where pins move, what was written, and what sync will edit in which flake.nix. manifest: its name."""
    lines = list(_pins(document.pins, width))
    if document.written:
        would = "would change" if document.dry_run else "changed"
        lines += fold(line(f"{shown(manifest)} {would}: ", ", ".join(map(shown, document.written))), width, 2)
    if lines:
        lines.append(BLANK)
    lines += fold(line(Span(_summary(document), "head")), width, 2)
    column = min(widest(shown(each.repo) for each in document.repos), share(width, 40, _MOST)) if document.repos else 0
    for repo in document.repos:
        for place, detail in _of_repo(repo):
            head = row([(line(Span(shown(repo.repo), "name")), column), (place, line_width(place))])
            lines += with_detail(head, detail, line_width(head[0]), 6, width)
    for unread in document.unread:
        pieces = wrap(f"{shown(unread.repo)}: not read: {shown(unread.detail)}", width - 4)
        lines += hang(line("  "), [line(piece) for piece in pieces], 4)
    return lines


def _pins(pins: list[MovedPin], width: int) -> Iterator[Line]:
    most = share(width, _REV_AND_DAY, _MOST * 3) // 3
    names, olds, news = (
        widest((shown(text) for text in texts), most=most)
        for texts in ([pin.name for pin in pins], [pin.from_ for pin in pins], [pin.to for pin in pins])
    )
    for pin in pins:
        cells = [
            (line(Span(shown(pin.name), "name")), names),
            (line(shown(pin.from_)), olds),
            (line("→ ", Span(shown(pin.to), "good")), news + 2),
            (line(Span(short(pin.rev), "rev")), 7),
            (line(day(pin.last_modified) if pin.last_modified is not None else ""), 10),
        ]
        yield from row(cells, indent=0)


def _summary(document: MoveDocument) -> str:
    edits = sum(len(repo.edits) for repo in document.repos)
    stay = sum(each.why == "cannot-edit" for repo in document.repos for each in repo.left)
    if not edits:
        nothing = "no input is left to move"
        return f"{nothing} that sync could edit" if stay else nothing
    repos = sum(bool(repo.edits) for repo in document.repos)
    waves = f" in {count(document.waves, 'wave')}" if document.waves else ""
    return f"{count(repos, 'repo')}, {count(edits, 'input')} to move{waves}; run `flakesync sync`"


def _of_repo(repo: RepoMove) -> Iterator[tuple[Line, str]]:
    for edit in repo.edits:
        place = f"{shown(edit.file)}:{edit.line}:{edit.column}"
        name = input_name(edit.flake, edit.input)
        yield line(place), f"{name}: {shown(edit.from_)} → {shown(edit.to)}"
    for mention in repo.mentions:
        said = f"also says {shown(mention.says)}: {shown(mention.text)} (not touched)"
        yield line(Span(f"{shown(mention.file)}:{mention.line}", "dim")), said
    for left in repo.left:
        mark, text = _left(left)
        yield mark, text


def _left(left: LeftMove) -> tuple[Line, str]:
    name = input_name(left.flake, left.input)
    if left.why == "cannot-edit":
        place = f"! {shown(left.file)}:{left.line}:{left.column}"
        return line(Span(place, "bad")), f"{name}: {shown(left.detail)}; change it yourself"
    return line(Span(f"· {name}", "dim")), shown(left.detail)
