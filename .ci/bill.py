"""Write the bill of materials of an installed flakesync, as CycloneDX 1.6: bill.py PYTHON FILE.

PYTHON is that of an environment with the wheel, its dependencies and nothing else. Each library has a name, a version
and a licence in it, or there is no bill; and one under the GPL, AGPL or EPL has a note (licences.toml).
Exit status: 0; 1 if something lacks one of these. Run it with .venv's Python: `.ci/setup tools` installs cyclonedx-bom.
"""

import base64
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STRONG = re.compile(r"\b(?:A?GPL|EPL)|GNU (?:Affero )?General Public|Eclipse Public")
"""Licences that ask for something of what is combined with the library."""


def main() -> int:
    """Return the exit status."""
    python, out = Path(sys.argv[1]), Path(sys.argv[2])
    bill = listed(python)
    notes = tomllib.loads((ROOT / ".ci/licences.toml").read_text())
    problems = list(completed(bill, version_of(python), notes))
    for line in problems:
        print(f"bill: {line}", file=sys.stderr)
    if not problems:
        out.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return 1 if problems else 0


def listed(python: Path) -> dict[str, Any]:
    """Return what cyclonedx-bom finds in the environment; the same environment gives the same."""
    tool = Path(sys.executable).parent / "cyclonedx-py"
    argv: list[str | Path] = [tool, "environment", "--spec-version", "1.6", "--output-reproducible"]
    argv += ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "application", python]
    found: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return found


def version_of(python: Path) -> str:
    """Return the version of flakesync that is installed."""
    code = "import importlib.metadata as m; print(m.version('flakesync'))"
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def completed(bill: dict[str, Any], version: str, notes: dict[str, dict[str, str]]) -> list[str]:
    """Put the version of flakesync and the noted licences into a bill; return what it lacks, a line each."""
    bill["metadata"]["component"]["version"] = version
    # The program that made the bill says nothing of what is shipped, and names a registry.
    bill["metadata"].pop("tools", None)
    problems = []
    for component in bill.get("components", []):
        name = component["name"]
        note = notes.get(name)
        if note is not None:
            component["licenses"] = [{"expression": note["licence"]}]
            component["properties"] = [{"name": "note", "value": note["note"].strip()}]
        if not component.get("version"):
            problems.append(f"{name} has no version")
        if not (licences := said(component)):
            problems.append(f"{name} names no licence: find it, and write it into .ci/licences.toml")
        if note is None and any(STRONG.search(each) for each in licences):
            problems.append(f"{name} is under {licences[0]!r}: write a note into .ci/licences.toml")
    return problems


def said(component: dict[str, Any]) -> list[str]:
    """Return the licences that a component names: expressions, identifiers, names, or its own words."""
    found = []
    for each in component.get("licenses", []):
        licence = each.get("license", {})
        own_words = licence.get("name", "").startswith("declared license of")
        if own_words:
            text = licence.get("text", {})
            content = text.get("content", "")
            plain = base64.b64decode(content).decode("utf-8", "replace") if text.get("encoding") else content
            found.append(plain.strip()[:200])
        elif not licence.get("name", "").startswith("declared license file"):
            found.append(each.get("expression") or licence.get("id") or licence.get("name") or "")
    return [each for each in found if each]


if __name__ == "__main__":
    sys.exit(main())
