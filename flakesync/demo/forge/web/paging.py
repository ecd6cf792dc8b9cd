"""Lists that come in pages, with the headers that lead to the next one."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from flakesync.demo.forge.web.messages import Answer, Json, Request

Item = TypeVar("Item")


def page_of(
    request: Request,
    items: Sequence[Item],
    show: Callable[[Item], Json],
    *,
    size: str = "per_page",
    default: int = 30,
    most: int = 100,
) -> tuple[list[Json], tuple[tuple[str, str], ...], dict[str, int | None]]:
    """Return the page that is asked for, the Link header, and page, size, next, previous, last and total.

    size: the name of the query key that says how many are wanted. default, most: how many there are otherwise.
    """
    query = request.query
    wanted = min(max(_number(query.get(size), default), 1), most)
    page = max(_number(query.get("page"), 1), 1)
    last = max(-(-len(items) // wanted), 1)
    numbers: dict[str, int | None] = {
        "page": page,
        "size": wanted,
        "next": page + 1 if page < last else None,
        "previous": page - 1 if page > 1 else None,
        "last": last,
        "total": len(items),
    }
    shown = [show(item) for item in items[(page - 1) * wanted : page * wanted]]
    links = []
    for relation, number in (("prev", numbers["previous"]), ("next", numbers["next"]), ("last", last), ("first", 1)):
        if number is not None and (relation not in ("last", "first") or last > 1):
            target = urlencode({**query, "page": number, size: wanted})
            links.append(f'<https://{request.authority}{request.path}?{target}>; rel="{relation}"')
    return shown, ((("Link", ", ".join(links)),) if links else ()), numbers


def answer_page(request: Request, items: Sequence[Item], show: Callable[[Item], Json]) -> Answer:
    """Return a page as GitHub does: nothing but a Link header tells that there is more."""
    shown, headers, _ = page_of(request, items, show)
    return Answer(200, shown, headers)


def answer_piece(
    request: Request, items: Sequence[tuple[str, Item]], show: Callable[[str, Item], Json], *, default: int = 30
) -> Answer:
    """Return a piece of a list that goes on after a cursor, and has no numbers of pages.

    items: each with what a cursor calls it. A Link header leads to the next piece.
    """
    wanted = min(max(_number(request.query.get("per_page"), default), 1), 100)
    keys = [key for key, _ in items]
    after = request.query.get("after")
    start = keys.index(after) + 1 if after in keys else 0
    given = items[start : start + wanted]
    links: tuple[tuple[str, str], ...] = ()
    if start + wanted < len(items):
        target = urlencode({**request.query, "after": given[-1][0]})
        links = (("Link", f'<https://{request.authority}{request.path}?{target}>; rel="next"'),)
    return Answer(200, [show(key, item) for key, item in given], links)


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default
