"""The documentation as it is published: nothing is missing, nothing leads nowhere, and no other host is asked."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flakesync.cli.app import COMMANDS
from flakesync.workspace.schema.keys import AUDIT, FORGE, HOLD, IGNORE, PIN, POLICY, PUBLISH, REPO, WORKSPACE
from tests.docs.test_links import DOCS, PAGES
from tests.site.html import Page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_BYTES = 3_000_000
_LOADED = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


def test_every_document_is_a_page(pages: dict[str, Page]) -> None:
    assert {str(file.relative_to(DOCS).with_suffix(".html")) for file in PAGES} == pages.keys() - {"404.html"}


def test_zensical_builds_it_too(tmp_path: Path) -> None:
    """Material ends in May 2027; Zensical is its successor, and not of version 1 yet."""
    zensical = f"{sysconfig.get_path('scripts')}/zensical"
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(DOCS.parent / "mkdocs.yml", tmp_path)
    ran = subprocess.run([zensical, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "No issues found" in ran.stdout + ran.stderr
    made = {str(file.relative_to(tmp_path / ".cache/site")) for file in (tmp_path / ".cache/site").rglob("*.html")}
    assert made >= {str(file.relative_to(DOCS).with_suffix(".html")) for file in PAGES}


def test_every_link_leads_to_a_file_of_the_site_and_to_an_anchor_in_it(site: Path, pages: dict[str, Page]) -> None:
    broken, looked_at = [], 0
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            looked_at += 1
            # The page for what is not there is shown at any depth: its links begin at the top.
            base = site if link.startswith("/") else (site / name).parent
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else site / name
            target = target / "index.html" if target.is_dir() else target
            anchored = not parts.fragment or (
                str(target.relative_to(site)) in pages
                and unquote(parts.fragment) in pages[str(target.relative_to(site))].anchors | {"__skip", "__comments"}
            )
            if parts.scheme or parts.netloc or not target.exists() or not anchored:
                broken.append((name, link))
    assert broken == []
    assert looked_at > 1000


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = [
        (file.name, each)
        for file in site.rglob("*.css")
        for each in map("".join, _LOADED.findall(file.read_text("utf-8")))
        if not each.startswith(("data:", "#")) and not (file.parent / each.partition("?")[0]).exists()
    ]
    assert loaded == []


def test_it_is_small(site: Path) -> None:
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) <= MOST_BYTES


def test_every_command_and_every_key_of_the_manifest_has_its_place(pages: dict[str, Page]) -> None:
    assert pages["reference/commands.html"].anchors >= {*COMMANDS}
    text = pages["reference/manifest-keys.html"].text
    keys = {*AUDIT, *FORGE, *HOLD, *IGNORE, *PIN, *POLICY, *PUBLISH, *REPO, *WORKSPACE}
    assert {key for key in keys if key not in text} == set()


def test_all_pages_are_shown_and_searched_without_asking_another_host(
    browser: "Browser", address: str, pages: dict[str, Page]
) -> None:
    asked: set[str] = set()
    troubles: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    # What a page was still loading when the next one was opened is no trouble.
    page.on("requestfailed", lambda each: None if "ABORTED" in (each.failure or "") else troubles.append(each.url))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    for name in pages.keys() - {"404.html"}:
        page.goto(f"{address}/{name}")
    page.goto(f"{address}/index.html")
    page.locator("[data-md-component=search-query]").fill("newest-locked")
    found = page.locator(".md-search-result__link")
    found.first.wait_for()
    assert any("workspace.html" in (link.get_attribute("href") or "") for link in found.all())
    page.close()
    assert asked - {""} == {urlsplit(address).netloc}
    assert troubles == []


def test_the_pages_are_read_from_a_folder_too(browser: "Browser", site: Path) -> None:
    page = browser.new_page()
    page.goto(f"file://{site}/index.html")
    page.get_by_role("link", name="Tutorial", exact=True).first.click()
    assert page.url == f"file://{site}/tutorial.html"
    assert "three repositories" in page.locator("h1").inner_text()
    page.close()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    ran = subprocess.run([DOCS.parent / ".ci/site", tmp_path], capture_output=True, text=True, check=False)
    assert (ran.returncode, "not empty" in ran.stderr) == (2, True)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
