"""What an import has done, as text: what failed, the branches, a summary, and what Nix has to be told."""

from collections.abc import Iterable, Iterator

from flakesync.documents.airgap.imported import Imported, ImportedBranch, NotImported
from flakesync.report.text import (
    BLANK,
    SHORT_REV,
    Line,
    Span,
    Style,
    count,
    few,
    fold,
    line,
    row,
    share,
    short,
    shown,
    widest,
    wrap,
)

_INDENT = 4
_STATUS_WIDTH = 9
_STYLES: dict[str, Style] = {"new": "good", "moved": "good", "unchanged": "dim", "failed": "bad"}


def render_imported(document: Imported, *, width: int) -> list[Line]:
    """Return what became of a bundle, or what `--verify-only` has found."""
    lines = [each for failed in document.failed for each in _failed(failed, width)]
    lines += _branches([each for each in document.repos if each.status != "unchanged"], width)
    style: Style = "bad" if document.failed else "head"
    lines += fold(line(Span(_summary(document), style)), width)
    if document.receipt is not None:
        lines += fold(line("receipt: ", Span(shown(document.receipt), "name")), width, _INDENT)
    if document.settings:
        lines += [BLANK, *_settings(document.settings, width)]
    return lines


def _summary(document: Imported) -> str:
    sources, parts = document.sources, []
    if document.digest is None:
        return f"{count(sources.there, 'path')} read, {count(len(document.failed), 'fault')}"
    if document.verified:
        parts = [f"{count(sources.new, 'source')} whole"]
        parts += [f"{sources.rebuilt} of them from commits"] if sources.rebuilt else []
        parts += [f"{sources.there} in an earlier bundle"] if sources.there else []
        if sources.unproven:
            parts.append(f"{sources.unproven} not proven: made of commits that build on an earlier bundle's (--repos)")
    else:
        parts = [f"{count(sources.new, 'new source')}"]
        parts += [f"{sources.rebuilt} of them made from commits"] if sources.rebuilt else []
        parts += [f"{sources.there} there already"] if sources.there else []
        names = {branch.name for branch in document.repos if branch.status != "failed"}
        still = sum(branch.status == "unchanged" for branch in document.repos)
        parts += [count(len(names), "repo")] if names else []
        parts += [f"{count(still, 'branch', 'branches')} unchanged"] if still else []
    parts += [f"{len(document.failed)} failed"] if document.failed else []
    return ", ".join(parts)


def _branches(branches: list[ImportedBranch], width: int) -> Iterator[Line]:
    names = min(widest(shown(f"{each.name} {each.branch}") for each in branches), share(width, 32, 48))
    for each in branches:
        old = f"{short(each.from_)} → " if each.from_ is not None else ""
        yield from row(
            [
                (line(Span(each.status, _STYLES[each.status])), _STATUS_WIDTH),
                (line(Span(shown(each.name), "name"), " ", shown(each.branch)), names),
                (line(Span(f"{old}{short(each.to)}", "rev")), 2 * SHORT_REV + 3),
            ],
            indent=0,
        )


def _failed(each: NotImported, width: int) -> Iterable[Line]:
    what = few(each.inputs, "inputs") if each.inputs else shown(each.what)
    for piece in wrap(f"error[{each.code}]: {what}: {shown(each.message)}", width):
        yield line(Span(piece, "bad"))
    if each.hint is not None:
        yield from (line(" " * _INDENT, piece) for piece in wrap(f"hint: {shown(each.hint)}", width - _INDENT))


def _settings(settings: list[str], width: int) -> Iterator[Line]:
    """Give the lines to be copied as they are: none is broken, but those that explain them."""
    for text in settings:
        if text.startswith("#"):
            yield from (
                line(Span(piece if piece.startswith("#") else f"# {piece}", "dim")) for piece in wrap(text, width)
            )
        else:
            yield line(shown(text))
