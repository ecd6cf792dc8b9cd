"""The report page in Chromium: processor time of its main thread to open it, to choose a repo, to zoom by a step."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import show
from flakesync.report.html.page import render_page
from tests.support.pages import page_documents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WANTED_MS = {8: (60, 20, 10), 200: (None, None, None), 1000: (500, 120, 80)}
ROUNDS = 5
_FRAMES = "() => new Promise(ok => requestAnimationFrame(() => requestAnimationFrame(ok)))"


class Watched:
    """A page whose main thread is watched; times are its processor time in milliseconds."""

    def __init__(self, browser: "Browser", blank: Path) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        # A file before the first reading: from about:blank Chromium would go on in another process.
        self.page.goto(blank.as_uri())
        self._session = self.page.context.new_cdp_session(self.page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def _spent(self) -> float:
        metrics: list[dict[str, Any]] = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")

    def cost(self, act: Callable[[], object]) -> float:
        """Return what an action takes until it is drawn."""
        before = self._spent()
        act()
        self.page.evaluate(_FRAMES)
        return self._spent() - before


def measure(browser: "Browser", path: Path, blank: Path) -> tuple[float, float, float, float]:
    """Return the milliseconds to open a page, what is laid out later, to choose a repo and to zoom."""
    watched = Watched(browser, blank)
    page = watched.page
    opened = watched.cost(lambda: page.goto(path.as_uri()))
    # What lies below a long page's first screens is laid out seconds later; its frames are asked for here.
    settled = "() => Promise.all(document.getAnimations().map((each) => each.finished))"
    later = watched.cost(lambda: page.evaluate(settled))
    # Hubs with large cones are chosen too.
    count = page.locator("#svg a.n").count()
    # Cancelled, it does not lead to the section, as a click of a person does not.
    click = "(i) => nodes[i].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))"
    page.evaluate("() => { window.nodes = document.querySelectorAll('#svg a.n') }")
    places = range(0, count, count // 7)
    chosen = [watched.cost(lambda place=place: page.evaluate(click, place)) for place in places]  # type: ignore[misc]
    page.press(".canvas", "Escape")
    page.press(".canvas", "0")
    zoomed = [watched.cost(lambda key=key: page.press(".canvas", key)) for key in ("+", "+", "+", "-", "-", "-")]  # type: ignore[misc]
    page.close()
    return opened, later, max(chosen), median(zoomed)


def main() -> None:
    """Print the figures."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is missing: `make tools` installs it")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        blank = Path(folder, "blank.html")
        blank.write_text("<!doctype html><title>blank</title>")
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        for count, limits in WANTED_MS.items():
            path = Path(folder, f"{count}.html")
            path.write_text(render_page(page_documents(count, nights=30 if count < 100 else 366)), "utf-8")
            found = [measure(browser, path, blank) for _ in range(ROUNDS)]
            opened, later, chosen, zoomed = (median(each) for each in zip(*found, strict=True))
            wanted = [f"≤ {limit} ms" if limit else "–" for limit in limits]
            rows.append((f"the page of {count} repos opened", f"{opened:.0f} ms, later {later:.0f} ms", wanted[0]))
            rows.append(("a repo chosen in it, the dearest of seven", f"{chosen:.0f} ms", wanted[1]))
            rows.append(("a zoom step in it", f"{zoomed:.0f} ms", wanted[2]))
        browser.close()
    show(rows)


if __name__ == "__main__":
    main()
