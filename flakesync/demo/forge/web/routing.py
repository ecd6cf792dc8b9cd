"""Which function answers which request: patterns of paths, with their parts decoded one by one."""

import re
from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import unquote

from flakesync.demo.forge.web.messages import Answer, AnswerError, Request

Context = TypeVar("Context")
Parts = dict[str, str]
"""The parts of a path that its pattern names, decoded."""

Route = Callable[[Context, Request, Parts], Answer]

_PART = re.compile(r"\{(\w+)(\*?)\}")


class Router(Generic[Context]):
    """The routes of one kind of forge; the first that fits answers."""

    def __init__(self) -> None:
        """No routes."""
        self._routes: list[tuple[frozenset[str], re.Pattern[str], Route[Context]]] = []

    def on(self, methods: str, pattern: str) -> Callable[[Route[Context]], Route[Context]]:
        """Register a function for `GET POST`, `/a/{part}/b/{rest*}`: a part has no raw slash in it, a rest may."""
        expression = ""
        end = 0
        for part in _PART.finditer(pattern):
            expression += re.escape(pattern[end : part.start()])
            expression += f"(?P<{part[1]}>.+)" if part[2] else f"(?P<{part[1]}>[^/]+)"
            end = part.end()
        compiled = re.compile(expression + re.escape(pattern[end:]))

        def register(route: Route[Context]) -> Route[Context]:
            self._routes.append((frozenset(methods.split()), compiled, route))
            return route

        return register

    def answer(self, context: Context, request: Request, path: str) -> Answer | None:
        """Return the answer for `path`, the request's path below the root of the API; None: no route fits.

        A path that is there but not for this method is 405.
        """
        known = False
        method = "GET" if request.method == "HEAD" else request.method
        for methods, pattern, route in self._routes:
            found = pattern.fullmatch(path)
            if found is not None:
                known = True
                if method in methods:
                    parts = {name: unquote(value) for name, value in found.groupdict().items()}
                    try:
                        return route(context, request, parts)
                    except AnswerError as error:
                        return error.answer
        return Answer(405, {"message": "Method Not Allowed"}) if known else None
