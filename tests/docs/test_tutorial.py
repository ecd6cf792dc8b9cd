"""docs/tutorial.md, typed as it stands: files are written, commands run, and they print what is printed there."""

import re
import subprocess
from pathlib import Path

from tests.support import forked
from tests.support.nix import RealNix

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
HOME = "/home/me"

_BLOCK = re.compile(
    r"(?:^Write `(?P<file>[^`]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# It depends on how long the name of the home folder is.
_COLUMN = re.compile(r"(?<=flake\.nix:)(\d+):\d+")


def told(text: str) -> str:
    """Return what was printed, without what differs from run to run."""
    return _COLUMN.sub(r"\1:COLUMN", _DATE.sub("DATE", _COMMIT.sub("COMMIT", text))).rstrip()


def steps(text: str) -> list[tuple[str, str]]:
    """Return each command of a console block with what it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    pairs = (part.partition("\n") for part in parts)
    return [(command, output) for command, _, output in pairs]


def programs(folder: Path) -> Path:
    """Make a folder with the `flakesync` of this checkout, and nothing else; return it."""
    folder.mkdir()
    program = folder / "flakesync"
    program.write_text(f"#!/bin/sh\n{forked.script()}\n")
    program.chmod(0o755)
    return folder


def test_the_tutorial_does_what_it_says(any_nix: RealNix, tmp_path: Path) -> None:
    home = tmp_path / "me"
    acme = home / "acme"
    acme.mkdir(parents=True)
    # Lines with a longer home folder in them are folded where the tutorial's are.
    columns = 100 + len(str(home)) - len(HOME)
    env = any_nix.env() | {"HOME": str(home), "NO_COLOR": "1", "COLUMNS": str(columns)}
    env["PATH"] = f"{programs(tmp_path / 'bin')}:{env['PATH']}"
    ran = 0
    functions = ""
    for block in _BLOCK.finditer(TUTORIAL.read_text("utf-8")):
        text = block["text"].replace(HOME, str(home))
        if block["file"]:
            (acme / block["file"]).write_text(text, "utf-8")
            continue
        if block["kind"] != "console":
            continue
        for command, output in steps(text):
            if re.match(r"\w+\(\) \{", command):
                functions += f"{command}\n"
                continue
            done = subprocess.run(
                ["bash", "-c", f"{functions}{command}"], cwd=acme, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            assert told(done.stdout) == told(output), command
            ran += 1
    assert ran > 15
