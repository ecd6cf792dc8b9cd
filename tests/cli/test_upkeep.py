"""Commands that write mirrors pack them before they end, and say nothing of it unless they are asked."""

from pathlib import Path

import pytest

from flakesync.cli import upkeep
from flakesync.cli.options import Common
from flakesync.cli.upkeep import tidy_cache
from flakesync.errors import FlakesyncError, GitError
from flakesync.git.upkeep import tidy as module
from flakesync.git.upkeep.tidy import Tidied
from tests.git.upkeep.grown import make_grown

Said = pytest.CaptureFixture[str]


def test_it_is_quiet_about_what_it_does_and_tells_with_verbose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    grown = make_grown(tmp_path, nights=5, commits=30)
    monkeypatch.setenv("FLAKESYNC_CACHE", str(grown.cache))
    tidy_cache(Common())
    assert capsys.readouterr() == ("", "")
    assert grown.files() < 30
    monkeypatch.setattr(module, "tidy", lambda _: Tidied(packed=3, left=2, removed=1))
    tidy_cache(Common(verbose=True))
    said = capsys.readouterr().err
    assert said == "note: cache: 3 repositories packed, 2 are left for the next run; 1 file that nobody used removed\n"
    tidy_cache(Common())
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_packed_is_a_note_and_changes_no_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    found = Tidied(failed={Path("/cache/mirrors/a"): GitError("git", "git repack: object is corrupt")})
    monkeypatch.setattr(module, "tidy", lambda _: found)
    tidy_cache(Common())
    assert capsys.readouterr().err == "note: /cache/mirrors/a could not be packed: git repack: object is corrupt\n"
    tidy_cache(Common(quiet=True))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("code", "ends"), [("disk-full", False), ("no-home", False), ("git-interrupted", True)])
def test_an_error_is_a_note_and_an_interrupt_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, code: str, ends: bool
) -> None:
    def tidy(_: Path) -> Tidied:
        raise FlakesyncError(code, "words")

    monkeypatch.setattr(module, "tidy", tidy)
    if ends:
        with pytest.raises(FlakesyncError):
            tidy_cache(Common())
    else:
        tidy_cache(Common())
        assert capsys.readouterr().err == "note: the cache could not be tidied up: words\n"


def test_commands_that_write_mirrors_do_it_and_those_that_read_do_not() -> None:
    commands = Path(upkeep.__file__).parent / "commands"
    found = {file.stem for file in commands.rglob("*.py") if "tidy_cache(common)" in file.read_text()}
    reading = {file.stem for file in (commands / "look").glob("*.py")} | {"status", "doctor", "move", "follow", "hold"}
    assert found >= {"sync", "publish", "land"}
    assert not found & reading
