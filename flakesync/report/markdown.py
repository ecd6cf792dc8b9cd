"""Foreign text in markdown: as code, so that nothing in it is markup, a mention, a link or the end of a cell."""

import re
from collections.abc import Sequence
from typing import Literal

from flakesync.report.text import shown

Side = Literal["left", "right"]
_RULES: dict[Side, str] = {"left": "---", "right": "--:"}
_SPECIAL = re.compile(
    r"[\\`*_\[\]<>|~&]"  # markup, ends of cells
    r"|[#!@$%]"  # what forges make links and mentions of
    r"|:(?=\S)|(?<=www)\.",  # bare addresses, emoji
    re.IGNORECASE,
)


def code(text: str) -> str:
    """Return `text` as code that may stand in a cell of a table, where a bar would end the cell even inside of code."""
    text = shown(text).replace("|", "\\|") or "?"
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"{fence}{text}{fence}"


def words(text: str) -> str:
    """Return `text` as plain words: what markdown would read as markup is written as a character reference."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", shown(text))


def table(titles: Sequence[tuple[str, Side]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; each cell is markdown already."""
    return [
        f"| {' | '.join(title for title, _ in titles)} |",
        f"|{'|'.join(_RULES[side] for _, side in titles)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
