"""Refuse a release whose parts disagree: release_check.py TAG [WHEEL SDIST]; or print its notes: --notes TAG.

The tag is vX.Y.Z. flakesync.__version__, the newest section of CHANGELOG.md, the recipes that pin flakesync, and the
metadata of the wheel and the sdist, where they are given, all say X.Y.Z, and nothing is left under Unreleased.
Each problem is a line on stderr, FILE: what is wrong. The notes are the text of the section of CHANGELOG.md.
Exit status: 0; 1 with a problem; 2 if it is not called so.
"""

import ast
import email.parser
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

TAG = re.compile(r"v(?P<version>(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))")
SECTION = re.compile(r"(?ms)^## \[(?P<name>[^\]]+)\](?: - (?P<day>\S+))?$(?P<text>.*?)(?=^## \[|\Z)")
PINNED = re.compile(
    r"\bflakesync==(?P<version>\d[^\s\"'`,)]*)"
    # The default of an input `version`, of the action and of a component.
    r"|^ +default: \"(?P<default>\d+\.\d+\.\d+)\""
    # The image of a kustomization, and the chart.
    r"|^(?: +newTag|appVersion|version): (?P<image>\d+\.\d+\.\d+)$",
    re.MULTILINE,
)
URLS = ("Changelog", "Documentation", "Source")
"""What [project.urls] has to name: with a release people look for these."""
PLACES = ("deploy", "examples", "docs", "templates", "README.md", "action.yml")
"""Where recipes are that pin flakesync."""


def main() -> int:
    """Return the exit status."""
    root = Path(__file__).parents[1]
    match sys.argv[1:]:
        case ["--notes", tag]:
            print(notes((root / "CHANGELOG.md").read_text("utf-8"), tag.removeprefix("v")))
            return 0
        case [str(tag), *_] if len(sys.argv) in (2, 4) and not tag.startswith("-"):
            pass
        case _:
            print(__doc__.partition("\n")[0], file=sys.stderr)
            return 2
    found = list(problems(root, tag, [Path(name) for name in sys.argv[2:]]))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def problems(root: Path, tag: str, built: list[Path]) -> Iterator[str]:
    """Give the faults that forbid a release of the tree at `root`, a line each. built: the wheel and the sdist."""
    known = TAG.fullmatch(tag)
    if known is None:
        yield f"{tag}: a release's tag is vX.Y.Z"
        return
    wanted = known["version"]
    if (there := version_in(root)) != wanted:
        yield f"flakesync/__init__.py: __version__ is {there!r}, the tag says {wanted}"
    yield from changelog_problems((root / "CHANGELOG.md").read_text("utf-8"), wanted)
    for path in recipes(root):
        for other in {found[found.lastgroup or 0] for found in PINNED.finditer(path.read_text("utf-8"))} - {wanted}:
            yield f"{path.relative_to(root)}: pins flakesync=={other}, the tag says {wanted}"
    urls = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
    if missing := [name for name in URLS if name not in urls]:
        yield f"pyproject.toml: [project.urls] has no {', no '.join(missing)}"
    for path in built:
        if (said := metadata_version(path)) != wanted:
            yield f"{path.name}: its metadata has version {said}, the tag says {wanted}"


def version_in(root: Path) -> str:
    """Return flakesync.__version__, without running anything; empty if it is not set to a text."""
    for node in ast.parse((root / "flakesync/__init__.py").read_bytes()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__version__")], value=ast.Constant(value=str(version))):
                return version
    return ""


def changelog_problems(text: str, wanted: str) -> Iterator[str]:
    """Give what is wrong with the sections of the changelog."""
    sections = list(SECTION.finditer(text))
    names = [section["name"] for section in sections]
    if not names or names[0] != "Unreleased":
        yield "CHANGELOG.md: the first section is not [Unreleased]"
    elif sections[0]["text"].strip():
        yield f"CHANGELOG.md: what stands under [Unreleased] belongs to [{wanted}]"
    if wanted not in names:
        yield f"CHANGELOG.md: there is no section [{wanted}]"
        return
    section = sections[names.index(wanted)]
    if names.index(wanted) != 1:
        yield f"CHANGELOG.md: [{wanted}] is not the newest section"
    if not section["text"].strip():
        yield f"CHANGELOG.md: [{wanted}] is empty"
    if not is_day(section["day"]):
        yield f"CHANGELOG.md: [{wanted}] has no day, as `## [{wanted}] - 2026-01-31`"


def notes(text: str, version: str) -> str:
    """Return what the changelog says of a version; empty where it has no section of it."""
    found = (section["text"].strip() for section in SECTION.finditer(text) if section["name"] == version)
    return next(found, "")


def is_day(text: str | None) -> bool:
    """Tell whether it is a date as YYYY-MM-DD."""
    try:
        return text is not None and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def recipes(root: Path) -> Iterator[Path]:
    """Give the files that may pin flakesync."""
    for place in (root / name for name in PLACES):
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (each for each in files if each.is_file() and each.suffix in (".yml", ".yaml", ".md", ".sh", ".nix"))


def metadata_version(path: Path) -> str:
    """Return the version that a wheel or an sdist is of, by its metadata."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            content = archive.read(name)
    else:
        with tarfile.open(path) as archive:
            member = next(each for each in archive.getmembers() if re.fullmatch(r"[^/]+/PKG-INFO", each.name))
            file = archive.extractfile(member)
            content = file.read() if file else b""
    return str(email.parser.BytesParser().parsebytes(content)["Version"])


if __name__ == "__main__":
    sys.exit(main())
