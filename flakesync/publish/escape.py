"""Foreign text in the body of a pull request, written so that none of it can be markup."""

import re
from urllib.parse import quote

from flakesync.errors import plain

_MOST_CODE = 200


def as_line(text: str) -> str:
    """Return foreign text in one line that can be shown."""
    return " ".join(plain(text).split())


def as_code(text: str) -> str:
    """Return foreign text as code: no markup, no mentions, no markers of ours."""
    text = as_line(text)[:_MOST_CODE].replace("<!--", "<! --").replace("-->", "-- >") or "?"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"


def as_cell(text: str) -> str:
    """Return foreign text as code in a table, where a bar would end the cell even inside of code."""
    return as_code(text.replace("\\", "/").replace("|", "\\|"))


def as_link_text(text: str) -> str:
    """Return foreign text as the text of a link in a table."""
    return re.sub(r"[\\`*_{}\[\]()<>#+!|~@&$:-]", lambda found: f"&#{ord(found[0])};", as_line(text))


def as_address(url: str) -> str:
    """Return an address without anything that markdown reads as the end of one."""
    return quote(as_line(url), safe="/:?#@!$&=+,;%~.-_")
