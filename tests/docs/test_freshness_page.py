"""docs/freshness.md and docs/exit-statuses.md: what their examples print is printed in such a workspace."""

import re
import subprocess
import time
from pathlib import Path

import pytest
import tomli_w

from flakesync.terms import Rev
from tests.docs.test_tutorial import HOME, programs, steps, told
from tests.support import repos
from tests.test_freshness import Ground, set_fetched

DOCS = Path(__file__).parents[2] / "docs"
HOUR_S = 3600


def examples() -> list[tuple[str, str]]:
    text = "".join((DOCS / name).read_text("utf-8") for name in ("freshness.md", "exit-statuses.md"))
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [step for block in blocks for step in steps(block)]


def as_shown(text: str) -> list[str]:
    """Return the lines in any order (notes go to stderr), without what differs from machine to machine."""
    text = re.sub(r"127\.0\.0\.1(?::1)?|git\.acme\.example", "HOST", told(text))
    text = re.sub(r"port \d+ after \d+ ms: Could(?:n't| not)", "port N after N ms: Could not", text)
    return sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())


def manifest(ground: Ground, *, down: bool) -> None:
    servers = {name: f"git+https://127.0.0.1:1/acme/{name}" for name in ("app", "lib")}
    lib = {"url": servers["lib"] if down else f"git+file://{ground.server}", "path": "lib"}
    app = {"path": "app"} | ({"url": servers["app"]} if down else {})
    (ground.root / "workspace.toml").write_text(tomli_w.dumps({"repos": {"app": app, "lib": lib}}))


def make(ground: Ground) -> None:
    """Make app and lib in step, and two commits that the clone of lib does not have yet."""
    ground.lock(Rev(ground.make()))
    set_fetched(ground.clone, int(time.time()) - 5 * HOUR_S - 60)
    ground.commit()
    ground.commit(date=repos.DATE + 2 * 86_400)


@pytest.mark.parametrize(("command", "output"), examples(), ids=lambda text: text if "\n" not in text else "")
def test_an_example_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    root = tmp_path / "acme"
    root.mkdir()
    ground = Ground(root)
    make(ground)
    manifest(ground, down="unreachable" in output)
    monkeypatch.setenv("PATH", f"{programs(tmp_path / 'bin')}:/usr/bin:/bin")
    monkeypatch.setenv("COLUMNS", "140")
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, check=False)
    status = 1 if "finding" in output else 2 if "error[" in output else 0
    assert done.returncode == status, done.stderr
    assert as_shown(done.stdout + done.stderr) == as_shown(output.replace(HOME, str(tmp_path)))


def test_each_way_to_read_has_an_example() -> None:
    assert [command for command, _ in examples()] == [
        "flakesync drift",
        "flakesync drift --local",
        "flakesync drift --offline",
        "flakesync drift",
        "flakesync drift --repo lbi",
    ]
