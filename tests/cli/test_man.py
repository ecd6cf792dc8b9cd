"""Man pages say what --help says, and a checker of mdoc has nothing against them."""

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from flakesync.cli.app import COMMANDS
from flakesync.cli.manual.mdoc import pages
from flakesync.cli.manual.read import CommandHelp, Listing, Parameter, ProgramHelp, Prose, read_help
from tests.cli.conftest import Ran
from tests.support.tools import tool

DAY = date(2026, 3, 9)
HOSTILE = ".Sh NAME\\fBx", "'de evil", 'a "quoted" -x --yes \\n', "No Ar Fl ,", ".", "Xr"


def rendered(text: str, tmp_path: Path) -> str:
    """Return a page as a person reads it, without overstrikes."""
    file = tmp_path / "page.1"
    file.write_text(text)
    result = subprocess.run([tool("mandoc"), "-Tutf8", "-Owidth=200", file], capture_output=True, text=True, check=True)
    return subprocess.run(["col", "-b"], input=result.stdout, capture_output=True, text=True, check=True).stdout


def test_there_is_a_page_for_the_program_and_for_each_command(flakesync: Callable[..., Ran], tmp_path: Path) -> None:
    result = flakesync("man", str(tmp_path / "new/man1"))
    assert result.status == 0
    assert {file.name for file in (tmp_path / "new/man1").iterdir()} == {
        "flakesync.1",
        *(f"flakesync-{name}.1" for name in COMMANDS),
    }


def test_the_same_day_makes_the_same_bytes(
    flakesync: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1773014400")
    for folder in ("one", "two"):
        assert flakesync("man", str(tmp_path / folder)).status == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert ".Dd March 9, 2026\n" in (tmp_path / "one/flakesync.1").read_text()


@pytest.mark.parametrize("given", ["yesterday", "-99999999999999999999", "1e5"])
def test_a_date_that_is_none_is_refused(
    flakesync: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    result = flakesync("man", str(tmp_path / "man"))
    assert (result.status, result.err.split(":")[0]) == (2, "error[bad-date]")
    assert not (tmp_path / "man").exists()


def test_a_folder_that_is_a_file_is_told(flakesync: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "man").write_text("mine")
    result = flakesync("man", str(tmp_path / "man"))
    assert (result.status, result.err.split(":")[0]) == (2, "error[no-answer]")
    assert (tmp_path / "man").read_text() == "mine"


@pytest.mark.packaging
def test_the_checker_of_mdoc_has_no_warning(tmp_path: Path) -> None:
    for name, text in pages(read_help(), "1.2.3", DAY).items():
        (tmp_path / name).write_text(text)
    files = sorted(tmp_path.iterdir())
    result = subprocess.run([tool("mandoc"), "-Tlint", "-Wwarning", *files], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("", 0)


@pytest.mark.packaging
def test_each_page_has_every_option_argument_and_example_of_the_help(tmp_path: Path) -> None:
    program = read_help()
    texts = pages(program, "1.2.3", DAY)
    for command in program.commands:
        page = rendered(texts[f"flakesync-{command.name}.1"], tmp_path)
        flat = " ".join(page.split())
        for each in (*command.options, *command.shared):
            assert " ".join(each.spelling.strip("{}[]").split()) in flat, (command.name, each)
            assert " ".join(each.meaning.split()) in flat, (command.name, each)
        for paragraph in command.paragraphs:
            match paragraph:
                case Prose(text):
                    assert text in flat
                case Listing(_, lines):
                    assert all(" ".join(line.split()) in flat for line in lines)


@pytest.mark.packaging
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_taken_for_a_request(tmp_path: Path, text: str) -> None:
    option = Parameter(f"--x {text}", text, (f"default: {text}",))
    command = CommandHelp(
        "plan",
        f"flakesync plan [OPTIONS] {{{text.split()[0]}}}",
        text,
        (Prose(f"Say {text}."), Prose(text), Listing("Examples:", (text, f"  {text}"))),
        (option,),
        (option,),
        (option,),
    )
    program = ProgramHelp(text, (Prose("A program."), Prose(text)), (option,), (option,), (command,))
    for page in pages(program, "1.2.3", DAY).values():
        shown = rendered(page, tmp_path)
        assert " ".join(text.split()) in " ".join(shown.split())
        assert shown.count("\nNAME\n") == 1
