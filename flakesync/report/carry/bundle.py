"""What is in a bundle, as text: what failed, then one line that sums it up, and what is not in it."""

from collections.abc import Iterable

from flakesync.documents.airgap.bundled import Bundled, UnbundledSource
from flakesync.errors import plain
from flakesync.report.text import Line, Span, count, few, fold, line, shown, wrap

_INDENT = 4
_OUTPUTS = (
    "Build outputs are not in it. To carry them too: nix copy --to file://DIR .#PACKAGE, or a binary cache such as "
    "attic or cachix."
)


def render_bundled(document: Bundled, *, width: int, dry_run: bool = False) -> list[Line]:
    """Return what could not be had, and what the bundle has."""
    lines: list[Line] = []
    for each in document.failed:
        lines += _failed(each, width)
    sources = document.sources
    parts = [f"{count(sources.new, 'source')} to send" if dry_run else count(sources.new, "source")]
    if sources.in_base:
        parts.append(f"{sources.in_base} in the base")
    if sources.from_repos:
        parts.append(f"{sources.from_repos} made of commits")
    here = f"{size(document.bytes)} of it here already" if document.bytes else "nothing of it here yet"
    parts += [count(document.repos, "repo"), here if dry_run else size(document.bytes)]
    place, what = shown(document.path), ", ".join(parts)
    if dry_run:
        return [*lines, *fold(line(Span("dry run", "dim"), f"  {what}"), width)]
    if document.digest is None:
        text = (
            f"{what}; {count(len(document.failed), 'failure')}. Run it again to go on; --partial sends what there is."
        )
        return [*lines, *fold(line(Span(place, "name"), Span("  unfinished", "bad"), f"  {text}"), width)]
    lines += fold(line(Span(place, "name"), f"  {what}"), width)
    lines += (line(piece) for piece in wrap(shown(document.digest), width))
    return [*lines, *(line(Span(piece, "dim")) for piece in wrap(_OUTPUTS, width))]


def size(number: int) -> str:
    """Return bytes for people: `842 bytes`, `47.2 MB`."""
    if number < 1000:
        return count(number, "byte")
    for unit in ("kB", "MB"):
        number_of_unit = number / 1000 if unit == "kB" else number / 1e6
        if number_of_unit < 999.95:
            return f"{number_of_unit:.1f} {unit}"
    return f"{number / 1e9:.1f} GB"


def _failed(each: UnbundledSource, width: int) -> Iterable[Line]:
    first, *more = plain(each.message).split("; ")
    for piece in wrap(f"error[{each.code}]: {shown(first)}", width):
        yield line(Span(piece, "bad"))
    for reason in more:
        yield from (line(" " * _INDENT, piece) for piece in wrap(shown(reason), width - _INDENT))
    if len(each.inputs) > 1:
        yield from (line(" " * _INDENT, piece) for piece in wrap(few(each.inputs, "inputs", 6), width - _INDENT))
    if each.hint is not None:
        yield from (line(" " * _INDENT, piece) for piece in wrap(f"hint: {shown(each.hint)}", width - _INDENT))
