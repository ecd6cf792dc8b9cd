"""Edits of workspace.toml keep every byte that they are not about."""

import os
from pathlib import Path

import pytest
import tomli

from flakesync.errors import ManifestError
from flakesync.workspace.settings.edit_manifest import edited, set_list, set_text, write_manifest

BESIDE = ("workspace", "release")
KEY = ("workspace", "replaces")


def move(text: str) -> str:
    return set_list(set_text(text, BESIDE, "26.05"), KEY, ["25.05", "25.11"], beside=BESIDE)


WANTED: dict[tuple[str, ...], object] = {BESIDE: "26.05", KEY: ["25.05", "25.11"]}

LIKE_IT = """[repos.a]
url = \"\"\"
[workspace]
release = "1"
\"\"\"
[[audit.ignore]]
release = "25.11"
["workspace"]
# release = "25.11"
"""

STYLES = {
    "new key": (
        '# top\n[workspace]\n  release = "25.11"   # this one\nname = "a"\n',
        '# top\n[workspace]\n  release = "26.05"   # this one\n  replaces = ["25.05", "25.11"]\nname = "a"\n',
    ),
    "one line": (
        "[workspace]\nrelease = '25.11'\nreplaces = [ \"25.05\", ] # keep\n",
        '[workspace]\nrelease = \'26.05\'\nreplaces = [ "25.05", "25.11", ] # keep\n',
    ),
    "a line each": (
        '[workspace]\nreplaces = [\n  # the oldest\n  "25.05", # yes\n]\nrelease = "25.11"\n',
        '[workspace]\nreplaces = [\n  # the oldest\n  "25.05", # yes\n  "25.11",\n]\nrelease = "26.05"\n',
    ),
    "windows": (
        '[workspace]\r\nrelease = "25.11"\r\n\r\n[pins.a]\r\n',
        '[workspace]\r\nrelease = "26.05"\r\nreplaces = ["25.05", "25.11"]\r\n\r\n[pins.a]\r\n',
    ),
    "no last line feed": (
        '[workspace]\nrelease = "25.11"',
        '[workspace]\nrelease = "26.05"\nreplaces = ["25.05", "25.11"]\n',
    ),
    "inline": (
        'workspace = { name = "x]", release = "25.11" } # c\n',
        'workspace = { name = "x]", release = "26.05", replaces = ["25.05", "25.11"] } # c\n',
    ),
    "dotted": (
        'workspace."release" = "25.11"\n[pins]\n',
        'workspace."release" = "26.05"\nworkspace.replaces = ["25.05", "25.11"]\n[pins]\n',
    ),
    "what only looks like it": (
        LIKE_IT + 'release = "25.11"\nreplaces = []\n',
        LIKE_IT + 'release = "26.05"\nreplaces = ["25.05", "25.11"]\n',
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_only_the_values_change_in_every_style(style: str) -> None:
    before, after = STYLES[style]
    assert edited(Path("w.toml"), before.encode(), move, WANTED).decode() == after
    assert move(after) == after


def test_going_back_takes_the_release_out_of_those_before_it() -> None:
    text = '[workspace]\nrelease = "26.05"\nreplaces = ["25.05", "25.11"] # c\n'
    back = set_list(set_text(text, BESIDE, "25.11"), KEY, ["25.05", "26.05"], beside=BESIDE)
    assert back == '[workspace]\nrelease = "25.11"\nreplaces = ["25.05", "26.05"] # c\n'


@pytest.mark.parametrize("values", [["b"], ["a"], ["c"], ["a", "c"], [], ["x"], ["c", "y"]])
@pytest.mark.parametrize("text", ['[w]\nk = ["a", "b", "c"]\n', '[w]\nk = [\n  "a",\n  "b", # b\n  "c"\n]\n'])
def test_a_list_says_what_was_asked_for(text: str, values: list[str]) -> None:
    new = set_list(text, ("w", "k"), values, beside=("w", "j"))
    assert tomli.loads(new) == {"w": {"k": values}}


def test_what_would_say_something_else_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_bytes(b'[workspace]\nrelease = "1"\n')
    with pytest.raises(ManifestError, match=r"workspace\.release cannot be edited") as caught:
        write_manifest(file, file.read_bytes(), lambda text: text + "x = 1\n", {BESIDE: "2"})
    assert caught.value.code == "manifest-edit"
    with pytest.raises(ManifestError, match="was changed meanwhile"):
        write_manifest(file, b'[workspace]\nrelease = "0"\n', lambda text: set_text(text, BESIDE, "2"), {BESIDE: "2"})
    assert file.read_bytes() == b'[workspace]\nrelease = "1"\n'


def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "workspace.toml"
    real.write_bytes(b'[workspace]\nrelease = "1"\n')
    real.chmod(0o640)
    link.symlink_to("real.toml")
    write_manifest(link, real.read_bytes(), lambda text: set_text(text, BESIDE, "2"), {BESIDE: "2"})
    assert link.is_symlink()
    assert real.read_bytes() == b'[workspace]\nrelease = "2"\n'
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["real.toml", "workspace.toml"]
