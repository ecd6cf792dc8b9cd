"""The tour of README.md, typed after the demo as the README says: each line that it shows is printed."""

import re
import subprocess
from pathlib import Path

from tests.docs.test_tutorial import HOME, programs, steps, told
from tests.support.nix import RealNix

README = Path(__file__).parents[2] / "README.md"


def as_shown(text: str) -> str:
    """Return a line without what differs from run to run: commits, dates, and how far a sync is."""
    return " ".join(re.sub(r"^\[\d+/\d+\]", "[N]", told(text)).split())


def matches(shown: str, printed: list[str]) -> bool:
    """Tell whether a line of the README is among those that were printed; `…` in it stands for anything.

    Until noon an age is a day less: the demo's commits were made in the morning, the last ones two days ago.
    """
    pattern = ".*".join(re.escape(part) for part in as_shown(shown).split("…"))
    pattern = re.sub(r"(\d+)\\ d\b", lambda age: rf"({age[1]}|{int(age[1]) - 1})\ d", pattern)
    return any(re.fullmatch(pattern, line) for line in printed)


def test_the_tour_prints_what_the_readme_shows(any_nix: RealNix, tmp_path: Path) -> None:
    # What comes after that needs a forge, which the demo's repos have not.
    tour = README.read_text("utf-8").partition("\n## Five minutes\n")[2].partition("\n**Bring it in.**")[0]
    env = any_nix.env() | {"NO_COLOR": "1", "COLUMNS": "100"}
    env["PATH"] = f"{programs(tmp_path / 'bin')}:{env['PATH']}"
    home = str(tmp_path)
    place = tmp_path
    ran = 0
    for block in re.findall(r"^```console\n(.*?)^```$", tour, re.MULTILINE | re.DOTALL):
        for command, output in steps(block.replace(HOME, home)):
            if command.startswith("cd "):
                place = place / command.removeprefix("cd ")
                continue
            done = subprocess.run(
                ["bash", "-c", command], cwd=place, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == (1 if command == "flakesync drift" else 0), f"{command}\n{done.stderr}"
            printed = [as_shown(line) for line in f"{done.stdout}{done.stderr}".splitlines()]
            missing = [line for line in output.splitlines() if line.strip("… ") and not matches(line, printed)]
            assert missing == [], f"{command}\n{done.stdout}"
            ran += 1
    assert ran >= 8
