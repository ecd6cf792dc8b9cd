"""The documents as files, as a forge shows them: each link leads somewhere, and no page of docs/ links out of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
OTHERS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

_FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def name_of(path: object) -> str:
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


def without_code(text: str) -> str:
    return _CODE.sub("", _FENCE.sub("", text))


def links(file: Path) -> list[str]:
    """Return where the links of a document lead on its own forge."""
    return [link for link in _LINK.findall(without_code(file.read_text("utf-8"))) if "://" not in link]


def anchors(file: Path) -> set[str]:
    """Return the anchors that a forge gives the headings of a document."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", file.read_text("utf-8"))):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def nav(part: Any) -> Iterator[str]:
    """Yield the pages of the site's navigation."""
    if isinstance(part, str):
        yield part
    else:
        for each in part.values() if isinstance(part, dict) else part:
            yield from nav(each)


def settings() -> Any:
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


@pytest.mark.parametrize("file", [*PAGES, *OTHERS], ids=name_of)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(file: Path) -> None:
    broken = []
    for link in links(file):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("file", PAGES, ids=name_of)
def test_a_page_links_to_nothing_that_the_site_lacks(file: Path) -> None:
    out = [link for link in links(file) if not (file.parent / link.partition("#")[0]).resolve().is_relative_to(DOCS)]
    assert out == []


@pytest.mark.parametrize("file", PAGES, ids=name_of)
def test_a_page_has_no_diagram_that_a_script_of_another_host_would_draw(file: Path) -> None:
    assert "```mermaid" not in file.read_text("utf-8")


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [str(file.relative_to(DOCS)) for file in PAGES]
    assert sorted(nav(settings()["nav"])) == sorted(pages), "add the page to `nav` in mkdocs.yml"


def test_the_site_needs_nothing_that_only_mkdocs_has() -> None:
    """Zensical, which reads the same file, has the search built in, and no other plugins or hooks of MkDocs."""
    assert settings()["plugins"] == ["search"]
    assert not settings().keys() & {"hooks", "remote_branch", "edit_uri_template", "INHERIT"}
    assert settings()["theme"]["font"] is False


def test_no_message_of_the_program_names_a_page_that_an_installed_one_does_not_have() -> None:
    found = []
    texts = {file: file.read_text("utf-8") for file in (ROOT / "flakesync").rglob("*.py")}
    for file, text in texts.items():
        if "docs/" not in text:
            continue
        tree = ast.parse(text)
        told = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
                found += [f"{file.name}:{node.lineno}" for _ in re.findall(r"\bdocs/[\w-]+\.md", node.value)]
    assert found == []
