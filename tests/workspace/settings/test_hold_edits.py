"""`[[hold]]` tables are written, changed and taken out, and every other byte of the manifest stays."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flakesync.errors import ManifestError
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.settings import edit_manifest
from flakesync.workspace.settings.days import today
from flakesync.workspace.settings.hold_edits import prune_holds, release_hold, write_hold
from flakesync.workspace.settings.holds import Hold

APP = RepoName("app")
REPOS = "# all of them\n[repos.app]\nurl = 'github:acme/app' # here\nflakes = ['.', 'dev']\n"
UNTIL = date(2099, 3, 1)
LIKE_IT = f"""{REPOS}
[workspace]
name = \"\"\"\\
[[hold]]\\
until = 2099-01-01\"\"\"
[[audit.ignore]]
rule = "old"
reason = "[[hold]]"
# [[hold]]
"""


def hold(path: str = "crane", reason: str = "why", until: date = UNTIL, flake: str | None = None) -> Hold:
    return Hold(repo=APP, flake=FlakeDir(flake) if flake else None, input=path, reason=reason, until=until)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    place = tmp_path / "workspace.toml"
    place.write_text(REPOS)
    return place


def written(path: str = "crane", reason: str = "why", until: str = "2099-03-01") -> str:
    return f'\n[[hold]]\nrepo = "app"\ninput = "{path}"\nreason = "{reason}"\nuntil = {until}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (REPOS, REPOS + written()),
        (REPOS.removesuffix("\n"), REPOS + written()),
        (REPOS.replace("\n", "\r\n"), (REPOS + written()).replace("\n", "\r\n")),
        (LIKE_IT, LIKE_IT + written()),
    ],
    ids=["as usual", "no last line feed", "windows", "like it"],
)
def test_a_hold_is_put_at_the_end_and_taken_out_again(manifest: Path, before: str, after: str) -> None:
    manifest.write_bytes(before.encode())
    done = write_hold(manifest, hold())
    assert (done.written, done.holds, done.workspace.holds) == ("added", (hold(),), (hold(),))
    assert manifest.read_bytes() == after.encode()
    gone = release_hold(manifest, APP, None, "crane")
    assert (gone.written, gone.holds, gone.workspace.holds) == ("released", (hold(),), ())
    ends = "\r\n" if "\r\n" in before else "\n"
    assert manifest.read_bytes() == (before if before.endswith("\n") else before + ends).encode()


def test_the_same_hold_again_does_not_touch_the_file(manifest: Path) -> None:
    write_hold(manifest, hold())
    before = manifest.stat()
    assert write_hold(manifest, hold()).written == "unchanged"
    assert (manifest.stat().st_mtime_ns, manifest.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_another_day_or_reason_takes_the_place_of_the_one_before(manifest: Path, quote: str) -> None:
    own = f"[[hold]] # mine\nuntil = {quote}2099-03-01{quote}   # a day\nreason = 'why' # so\n"
    own += "input = 'crane'\nrepo = 'app'\n"
    manifest.write_text(f"{REPOS}\n{own}\n[publish]\ndraft = true\n")
    assert write_hold(manifest, hold(reason="other", until=date(2099, 4, 1))).written == "changed"
    new = '"' if quote else ""
    own = own.replace(f"{quote}2099-03-01{quote}", f"{new}2099-04-01{new}").replace("'why'", "'other'")
    assert manifest.read_text() == f"{REPOS}\n{own}\n[publish]\ndraft = true\n"
    assert load_workspace(manifest).holds == (hold(reason="other", until=date(2099, 4, 1)),)


def test_each_flake_of_a_repo_has_holds_of_its_own(manifest: Path) -> None:
    for flake in (None, "dev", "."):
        assert write_hold(manifest, hold(flake=flake, reason=f"of {flake}")).written == "added"
    release_hold(manifest, APP, FlakeDir("dev"), "crane")
    assert [(each.place, each.reason) for each in load_workspace(manifest).holds] == [
        ("crane", "of None"),
        (".#crane", "of ."),
    ]


def test_comments_around_a_hold_stay(manifest: Path) -> None:
    own = "[[hold]]\nrepo = 'app'\ninput = 'a'\n# in it\nuntil = 2099-01-01\nreason = 'x' # it\n"
    manifest.write_text(f"{REPOS}\n# above\n{own}# below\n\n[publish]\n")
    release_hold(manifest, APP, None, "a")
    assert manifest.read_text() == f"{REPOS}\n# above\n# below\n\n[publish]\n"


def test_what_is_over_is_pruned_in_the_chosen_repos(manifest: Path) -> None:
    for path, days in (("a", -1), ("b", 0), ("c", -400), ("d", 1)):
        write_hold(manifest, hold(path, until=today() + timedelta(days=days)))
    assert prune_holds(manifest, {RepoName("other")}, today()).written == "unchanged"
    done = prune_holds(manifest, {APP}, today())
    assert ([each.input for each in done.holds], [each.input for each in done.workspace.holds]) == (
        ["a", "c"],
        ["b", "d"],
    )
    assert prune_holds(manifest, {APP}, today()).written == "unchanged"


def test_a_link_stays_one_and_keeps_the_permissions_of_what_it_leads_to(manifest: Path, tmp_path: Path) -> None:
    manifest.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(manifest.name)
    write_hold(link, hold())
    assert link.is_symlink()
    assert manifest.read_text() == REPOS + written()
    assert manifest.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.toml", "workspace.toml"]


@pytest.mark.parametrize(
    "own", ["hold = []\n", "hold = [{repo = 'app', input = 'a', until = 2099-01-01, reason = 'x'}]\n"]
)
def test_what_cannot_be_appended_to_is_refused_and_left(manifest: Path, own: str) -> None:
    manifest.write_text(own + REPOS)
    with pytest.raises(ManifestError) as caught:
        write_hold(manifest, hold())
    assert caught.value.code == "manifest-edit"
    assert manifest.read_text() == own + REPOS


def test_a_manifest_that_somebody_changes_meanwhile_is_left(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = edit_manifest.edited

    def edited(*args: object) -> bytes:
        manifest.write_text(f"{REPOS}# theirs\n")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(edit_manifest, "edited", edited)
    with pytest.raises(ManifestError, match="was changed meanwhile"):
        write_hold(manifest, hold())
    assert manifest.read_text() == f"{REPOS}# theirs\n"


def test_what_is_not_held_cannot_be_released(manifest: Path) -> None:
    manifest.write_text(f"{REPOS}hold = ['old']\n")
    write_hold(manifest, hold())
    for path, hint in (("crame", "did you mean `crane`?"), ("old", "it is held for ever")):
        with pytest.raises(ManifestError) as caught:
            release_hold(manifest, APP, None, path)
        assert caught.value.code == "no-hold"
        assert hint in (caught.value.hint or "")


TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(holds=st.lists(st.tuples(st.sampled_from("abc"), TEXTS, st.dates()), max_size=6), crlf=st.booleans())
def test_whatever_is_held_and_released_the_manifest_is_as_it_was(
    manifest: Path, holds: list[tuple[str, str, date]], crlf: bool
) -> None:
    before = LIKE_IT.replace("\n", "\r\n") if crlf else LIKE_IT
    manifest.write_bytes(before.encode())
    for path, reason, until in holds:
        write_hold(manifest, hold(path, reason, until))
    last = {path: (reason, until) for path, reason, until in holds}
    assert {each.input: (each.reason, each.until) for each in load_workspace(manifest).holds} == last
    for path in last:
        release_hold(manifest, APP, None, path)
    assert manifest.read_bytes() == before.encode()
