"""Edits of workspace.toml keep every byte that they are not about."""

import os
from pathlib import Path

import pytest
import tomli
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

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


NAMES = st.text(st.sampled_from("abZ09_- .é'\"\\#]"), min_size=1, max_size=6)
STRINGS = st.text(st.sampled_from("ab \n\t\"'\\#[]{}=,é"), max_size=12)
VALUES = st.recursive(
    st.one_of(STRINGS, st.integers(-9, 99), st.booleans(), st.floats(0, 9), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.booleans(), st.data())
def test_any_manifest_keeps_all_but_the_value(
    document: dict[str, object], multiline: bool, data: st.DataObject
) -> None:
    document = {**document, "workspace": {"release": data.draw(STRINGS), "x": data.draw(VALUES)}}
    text = tomli_w.dumps(document, multiline_strings=multiline, indent=data.draw(st.integers(0, 3)))
    if data.draw(st.booleans()):
        text = text.replace("\n", "  # c = [1]\n") if '"""' not in text and "[\n" not in text else text
    before = text.encode()
    wanted: dict[tuple[str, ...], object] = {BESIDE: "26.05", KEY: ["25.11", 'a"b']}

    def edit(text: str) -> str:
        return set_list(set_text(text, BESIDE, "26.05"), KEY, ["25.11", 'a"b'], beside=BESIDE)

    new = tomli.loads(edited(Path("w.toml"), before, edit, wanted).decode())
    table = document["workspace"]
    assert isinstance(table, dict)
    expected = {**document, "workspace": {**table, "release": "26.05", "replaces": ["25.11", 'a"b']}}
    assert new == tomli.loads(tomli_w.dumps(expected))
