"""Report pages in real Chromium: one browser a worker, a context of its own for each page."""

import itertools
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from flakesync.report.html.page import render_page
from tests.browser.opened import Opened
from tests.support.pages import page_documents
from tests.support.tools import module, tool

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

Opener: TypeAlias = Callable[..., Opened]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    here = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def playwright() -> "Iterator[Playwright]":
    with module("playwright.sync_api").sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: "Playwright", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    """Debian's Chromium, with a home folder of its own."""
    home = tmp_path_factory.mktemp("chromium")
    # As root Chromium does not start in its sandbox; elsewhere it stays in it.
    running = playwright.chromium.launch(
        executable_path=tool("chromium"),
        args=["--no-sandbox"] if os.geteuid() == 0 else [],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)},
    )
    yield running
    running.close()


@cache
def page_of(repos: int) -> str:
    """Return the page of a made-up workspace."""
    return render_page(page_documents(repos, nights=30 if repos < 100 else 366))


@pytest.fixture
def opened(browser: "Browser", tmp_path: Path) -> Iterator[Opener]:
    """Open a page: of so many repos, or of a text. Options are those of a context (viewport, color_scheme …)."""
    contexts, numbers = [], itertools.count()

    def opened(page: int | str, address: str = "", **options: Any) -> Opened:
        path = tmp_path / f"page-{next(numbers)}.html"
        path.write_text(page_of(page) if isinstance(page, int) else page, "utf-8")
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        return Opened(context.new_page(), path, address)

    yield opened
    for context in contexts:
        context.close()
