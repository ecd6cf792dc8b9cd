"""Draws docs/report.png: the page that `flakesync report` makes of the demo workspace, as Chromium shows it.

python docs/picture_report.py DIR        DIR: where `flakesync demo DIR` has built the workspace

The picture says in its text `shape` what is on the page, so that a test notices when the page has got other parts.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURE = Path(__file__).with_name("report.png")
WIDTH, HEIGHT = 1280, 990
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHAPE = """() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent.trim());
    return { tiles: texts(".tiles dt"), sections: texts("h2"), columns: texts("#drift thead th:not(.pin)"),
             controls: texts(".tools label, .tools button"), waves: texts("#heads text"),
             legend: texts(".legend span") };
}"""


def shape_of_page(page: "Page") -> dict[str, list[str]]:
    """Return the parts of an open page, by their titles."""
    found: dict[str, list[str]] = page.evaluate(_SHAPE)
    return found


def shape_of_picture(png: bytes) -> dict[str, list[str]]:
    """Return the parts of the page that a picture shows; {}: it does not say."""
    place = len(_SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"iTXt" and data.startswith(b"shape\0"):
            found: dict[str, list[str]] = json.loads(data[len(b"shape\0\0\0\0\0") :])
            return found
        place += length + 12
    return {}


def with_shape(png: bytes, shape: dict[str, list[str]]) -> bytes:
    """Return the picture with its shape as a text, behind its header."""
    data = b"shape\0\0\0\0\0" + json.dumps(shape, ensure_ascii=False).encode()
    chunk = struct.pack(">I", len(data)) + b"iTXt" + data + struct.pack(">I", zlib.crc32(b"iTXt" + data))
    header = len(_SIGNATURE) + 25
    return png[:header] + chunk + png[header:]


def draw(page: "Page") -> bytes:
    """Return the picture of an open page: core is chosen, so that its upstreams and dependents stand out."""
    shape = shape_of_page(page)
    page.get_by_role("link", name="core:").click()
    page.mouse.move(0, 0)
    return with_shape(page.screenshot(), shape)


def main() -> None:
    """Draw the picture."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        subprocess.run([sys.executable, "-m", "flakesync", "report", folder], cwd=sys.argv[1], check=True)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(Path(folder, "index.html").as_uri())
        PICTURE.write_bytes(draw(page))
        browser.close()


if __name__ == "__main__":
    main()
