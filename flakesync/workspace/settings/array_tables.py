"""Whole tables of an array (`[[hold]]`) are put at the end of a manifest, or taken out of it; the rest stays."""

from collections.abc import Collection, Sequence

from flakesync.workspace.settings.edit_manifest import Key, Span, array_tables


def with_tables(text: str, tables: Sequence[str]) -> str:
    """Return a manifest with these tables at its end, with an empty line before each, and its own line ends."""
    ends = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else ends
    return text + gap + "".join(f"\n{table}" for table in tables).replace("\n", ends)


def without_tables(text: str, array: Key, indexes: Collection[int]) -> str:
    """Return a manifest without some tables of an array, and without the empty line before each.

    Comments between the header of a table and its last value go with it; those above and below it stay, as nobody can
    tell what they are about.
    """
    spans = array_tables(text, array)
    for index in sorted(indexes, reverse=True):
        start, end = _lines_of(text, spans[index])
        text = text[:start] + text[end:]
    return text


def _lines_of(text: str, span: Span) -> Span:
    """Return where the lines of a table begin and end, with the empty line above it, or else the one below it."""
    start = text.rfind("\n", 0, span[0]) + 1
    feed = text.find("\n", span[1])
    end = len(text) if feed < 0 else feed + 1
    above = text.rfind("\n", 0, start - 1) + 1 if start else 0
    if start and not text[above:start].strip():
        return above, end
    below = text.find("\n", end)
    if below >= 0 and not text[end:below].strip():
        return start, below + 1
    return start, end
