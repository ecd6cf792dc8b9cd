"""Where an answer goes: full disks, encodings, terminals of odd sizes, who wants colours and who does not."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.report.colour import takes_colour
from tests.cli.conftest import Ran, command, environment

Flakesync = Callable[..., Ran]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["--help"], ["graph", "--json"], ["schema", "drift"]])
def test_a_full_disk_behind_stdout_is_an_error_of_every_command(acme: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            command(*arguments),
            cwd=acme,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == 2
    assert ran.stderr.startswith("error[disk-full]: ")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict", "utf-16", "cp1252"])
def test_json_is_utf_8_whatever_the_locale_is(acme: Path, encoding: str) -> None:
    manifest = acme / "workspace.toml"
    manifest.write_text(manifest.read_text("utf-8") + 'base = "größer"\n', "utf-8")
    ran = subprocess.run(
        command("graph", "--json"), cwd=acme, capture_output=True, check=False,
        env=environment(LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING=encoding),
    )  # fmt: skip
    assert ran.returncode == 0
    assert "größer" in {repo["base"] for repo in json.loads(ran.stdout.decode("utf-8"))["repos"]}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "file", "terminal"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "0"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "yes"}, True, True),
        ({"FORCE_COLOR": "0"}, False, True),
        ({"FORCE_COLOR": "false"}, False, True),
        ({"FORCE_COLOR": ""}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, False, True),
        ({"CLICOLOR": "0"}, False, False),
        ({"CLICOLOR": "0", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colours_are_for_those_who_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: bool, terminal: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (takes_colour(io.StringIO()), takes_colour(_Terminal())) == (file, terminal)


@pytest.mark.parametrize("size", ["0", "-5", "abc", "", "1", "99999999999999999999"])
@pytest.mark.parametrize("colours", ["", "1"])
def test_no_size_of_a_terminal_swallows_an_answer(
    flakesync: Flakesync, acme: Path, monkeypatch: pytest.MonkeyPatch, size: str, colours: str
) -> None:
    monkeypatch.setenv("COLUMNS", size)
    monkeypatch.setenv("LINES", size)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", colours)
    ran = flakesync("drift", "-q")
    assert ran.status == 1
    assert "finding" in ran.out
    assert ("\x1b[" in ran.out) == bool(colours)
    assert flakesync("drift", "--help").out


@pytest.mark.parametrize("arguments", [("drift",), ("init",), ("sync", "-q")])
def test_a_folder_that_is_gone_is_named_as_what_is_missing(
    flakesync: Flakesync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = flakesync(*arguments)
    os.chdir(tmp_path)
    assert ran.status == 2
    assert ran.err.startswith("error[no-folder]: the current folder cannot be used: ")
