"""Settings that are read without git are those that git reads, or none."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flakesync.git import process
from flakesync.git.plain_config import parse_plain, read_plain_shared
from flakesync.git.settings import SharedSettings, read_shared_settings, split_entry

USUAL = """\
[user]
\tname = Jo Doe
\temail = jo@example.org
# a comment
[url "https://mirror.example/"]
\tinsteadOf = https://forge.example/
  ; another
[Core]
    AutoCRLF = input
\tbare
[http "https://Forge.example"]
\tsslVerify = false
\tsslVerify = true
"""


def by_git(file: Path) -> dict[str, str]:
    told = subprocess.run(["git", "config", "--file", str(file), "--null", "--list"], capture_output=True, check=True)
    return dict(split_entry(entry) for entry in told.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1])


def home() -> Path:
    return Path.home()


def write(text: str, *, xdg: bool = False) -> Path:
    file = home() / (".config/git/config" if xdg else ".gitconfig")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_what_git_writes_is_read_as_git_reads_it() -> None:
    file = write(USUAL)
    assert read_plain_shared(None) == by_git(file)


def test_no_file_at_all_has_no_settings_and_takes_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".gitconfig", ".config/git/config"):
        (home() / name).unlink(missing_ok=True)
    monkeypatch.setattr(process, "git", lambda *_, **__: pytest.fail("git was started"))
    assert read_shared_settings() == SharedSettings({}, process.SETTINGS)


def test_the_file_in_the_home_folder_counts_before_that_of_xdg() -> None:
    write("[user]\n\tname = xdg\n\temail = x@y\n", xdg=True)
    write("[user]\n\tname = home\n")
    assert read_plain_shared(None) == {"user.name": "home", "user.email": "x@y"}


@pytest.mark.parametrize("text", [
    "[include]\n\tpath = other\n", '[includeIf "gitdir:/x"]\n\tpath = other\n', '[a]\n\tb = "c d"\n',
    "[a]\n\tb = c \\\nd\n", "[a]\n\tb = c # why\n", "[a.b]\n\tc = d\n", "[a]\n\tb=c\n", "[a] b = c\n",
    "\ufeff[a]\n\tb = c\n", "[a]\r\n\tb = c\r\n", "[a\n", "b = c\n",
])  # fmt: skip
def test_what_has_more_in_it_is_left_to_git(text: str) -> None:
    write(text)
    assert read_plain_shared(None) is None


@pytest.mark.parametrize(
    "name", ["GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_PARAMETERS"]
)
def test_settings_in_the_environment_are_left_to_git(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0")
    assert read_plain_shared(None) is None


def test_a_git_whose_file_of_the_system_is_not_known_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    own = tmp_path / "git"
    own.touch()
    assert read_plain_shared(str(own)) is None
    assert read_plain_shared(None) is None
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "perhaps")
    assert read_plain_shared("/usr/bin/git") is None


def test_the_settings_are_those_that_git_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    write(USUAL)
    write("[credential]\n\thelper = store\n", xdg=True)
    plain = read_shared_settings()
    # With an environment that has more to say git is asked.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    assert read_shared_settings() == plain


LINES = st.lists(
    st.one_of(
        st.sampled_from(["[a]", '[a "B c"]', "[C-d]", "# x", " ; y", "", "\tk = v", "\tK", "  k2 = v  w", "\tk = a=b"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r"), max_size=12),
    ),
    max_size=8,
)


@given(lines=LINES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_as_git_reads_it_or_left_to_it(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "config"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    found = parse_plain(file.read_bytes())
    if found is not None:
        assert dict(found) == by_git(file)
