"""A page that is open in Chromium: what is seen of it, and all that it asked for, said or got wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Locator, Page


_NOTE_REFUSALS = (
    "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.effectiveDirective))"
)


class Opened:
    """requests: addresses that were asked for; answers: those that something came from.

    errors: of scripts. dialogs: what was shown in one.
    """

    def __init__(self, page: "Page", path: Path, address: str = "") -> None:
        self.page, self.path = page, path
        self.requests: list[str] = []
        self.answers: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfinished", lambda request: self.answers.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dismiss)
        page.set_default_timeout(120_000)  # a busy machine lays a page of 1,000 repos out in many seconds
        page.add_init_script(_NOTE_REFUSALS)
        page.goto(path.as_uri() + address)

    def node(self, name: str) -> "Locator":
        """Return the node of a repo in the graph."""
        return self.page.locator(f'#svg a.n[data-i="{self.names().index(name)}"]')

    def names(self) -> list[str]:
        """Return the repos that can be searched for, in the order of their numbers in the graph."""
        return self._all("#names option", "each => each.value")

    def marked(self, kind: str = "hit") -> set[str]:
        """Return the repos whose nodes have a class: hit, me, off."""
        names = self.names()
        return {names[int(each)] for each in self._all(f"#svg a.n.{kind}", "each => each.dataset.i")}

    def neighbours(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Return the direct upstreams and the direct dependents of each repo, as the graph draws them."""
        names = self.names()
        upstreams: dict[str, set[str]] = {name: set() for name in names}
        dependents: dict[str, set[str]] = {name: set() for name in names}
        for up, down in self._all("#edges path", "each => [each.dataset.u, each.dataset.d]"):
            upstreams[names[int(down)]].add(names[int(up)])
            dependents[names[int(up)]].add(names[int(down)])
        return upstreams, dependents

    def view(self) -> tuple[float, float, float, float]:
        """Return what is seen of the drawing: x, y, width, height."""
        box = self.page.locator("#svg").get_attribute("viewBox")
        assert box is not None
        x, y, width, height = map(float, box.split())
        return x, y, width, height

    def settle(self) -> None:
        """Wait until what a long page lays out last, seconds after it was opened, is there."""
        self.page.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished))")

    def size(self) -> tuple[float, float]:
        """Return width and height of the whole drawing."""
        width, height = (self.page.get_attribute("#svg", f"data-{each}") or "" for each in "wh")
        return float(width), float(height)

    def is_far(self) -> bool:
        """Tell whether the drawing is too small for its texts."""
        return bool(self.page.evaluate("() => document.querySelector('#svg').matches('.far')"))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return which point of the drawing is at a place on the screen."""
        found = self.page.evaluate(
            """([x, y]) => { const p = new DOMPoint(x, y), m = document.querySelector("#svg").getScreenCTM().inverse();
                             const it = p.matrixTransform(m); return [it.x, it.y] }""",
            [x, y],
        )
        return found[0], found[1]

    def in_sight(self, node: "Locator") -> bool:
        """Tell whether a node is within the graph's frame and on the screen."""
        return bool(
            node.evaluate(
                """it => { const a = it.getBoundingClientRect(), b = it.closest(".canvas").getBoundingClientRect();
                           return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom
                               && a.top >= 0 && a.bottom <= innerHeight }"""
            )
        )

    def beside(self) -> tuple[float, float]:
        """Return a place on the screen in the graph, where no node is."""
        found = self.page.evaluate(
            """() => { const box = document.querySelector(".canvas").getBoundingClientRect();
                       for (let x = box.left + 4; x < box.right - 4; x += 7)
                         for (let y = Math.max(box.top, 0) + 4; y < Math.min(box.bottom, innerHeight) - 4; y += 5) {
                           const it = document.elementFromPoint(x, y);
                           if (it?.closest(".canvas") && !it.closest(".n")) return [x, y];
                         } }"""
        )
        return found[0], found[1]

    def address_of(self, name: str) -> str:
        """Return the part after `#` of the address that opens the page at a repo."""
        return (self.node(name).get_attribute("href") or "").removeprefix("#")

    def said(self) -> str:
        return str(self.page.inner_text("#said"))

    def panel(self) -> str:
        return str(self.page.inner_text("#panel"))

    def address(self) -> str:
        """Return the part of the address after `#`."""
        return str(self.page.url).partition("#")[2]

    def refused(self) -> list[str]:
        """Return the directives of the page's policy that something was refused by."""
        found: list[str] = self.page.evaluate("() => refused")
        return found

    def focused(self) -> str:
        """Return what has the keyboard: an id, the number of a node, or the name of an element."""
        found: str = self.page.evaluate(
            "() => { const it = document.activeElement; return it.id || it.dataset?.i || it.className || it.tagName }"
        )
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def _dismiss(self, dialog: "Dialog") -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _all(self, selector: str, function: str) -> list[Any]:
        found: list[Any] = self.page.eval_on_selector_all(selector, f"all => all.map({function})")
        return found


def reached(start: str, near: dict[str, set[str]]) -> set[str]:
    """Return all that is reached from a repo, without itself."""
    seen, todo = {start}, [start]
    while todo:
        for each in near[todo.pop()] - seen:
            seen.add(each)
            todo.append(each)
    return seen - {start}
