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


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default
