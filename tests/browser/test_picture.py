"""The picture of the page in the README is one of the page as it is now."""

import struct
from pathlib import Path

import pytest

from docs.picture_report import HEIGHT, PICTURE, WIDTH, draw, shape_of_page, shape_of_picture
from flakesync.cli.main import run
from flakesync.demo.build import build_workspace
from tests.browser.conftest import Opener


def test_the_picture_shows_the_parts_that_the_page_of_the_example_workspace_has(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = PICTURE.read_bytes()
    assert len(png) <= 200_000
    assert struct.unpack(">II", png[16:24]) == (WIDTH, HEIGHT)
    monkeypatch.chdir(build_workspace(tmp_path / "acme").parent)
    assert run(["report", str(tmp_path / "out"), "-q"]) == 0
    page = opened((tmp_path / "out/index.html").read_text("utf-8"), viewport={"width": WIDTH, "height": HEIGHT})
    assert shape_of_picture(png) == shape_of_page(page.page), "`python docs/picture_report.py DIR` draws it"
    # What is drawn now says the same of itself.
    assert shape_of_picture(draw(page.page)) == shape_of_picture(png)
    assert page.marked("me") == {"core"}
