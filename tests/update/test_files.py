"""An update commit names its files that are no locks; these alone make it ours, and are read back from it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import SyncError
from flakesync.git.repository import Repository
from flakesync.git.store.objects import SYMLINK
from flakesync.git.store.write import FILE as REGULAR
from flakesync.git.store.write import Entry, ObjectWriter, blob_id
from flakesync.git.values import Signature
from flakesync.terms import Rev
from flakesync.update.check_reuse import same_trees
from flakesync.update.commit import is_ours, message, own_commits, write_update
from flakesync.update.content import Update, changed_locks, has_content, has_other_locks, read_update
from flakesync.update.files import file_lines, quote_path, unquote_path
from tests.support import locks, repos

BOT = Signature("Bot", "bot@test.example")
RUN = "0123456789ab"
OLD = locks.to_bytes(locks.lock({"lib": locks.git("https://acme.example/lib")}))
NEW = locks.to_bytes(locks.lock({"lib": locks.git("https://acme.example/lib", rev=locks.rev_of("new"))}))
FLAKE = '{ inputs.lib.url = "LIB"; inputs.np.url = "NP";MORE outputs = _: { }; }'
FOLLOWS = ' inputs.lib.inputs.np.follows = "np";'
NIX = FLAKE.replace("LIB", "github:a/lib").replace("NP", "github:a/np")
BEFORE, AFTER = NIX.replace("MORE", ""), NIX.replace("MORE", FOLLOWS)


class Ground:
    """A repository with a lock, a flake.nix and other files, and commits on top of its base."""

    def __init__(self, root: Path, files: repos.Files) -> None:
        self.path = root / "r"
        self.base = repos.make_repo(self.path, {"flake.nix": BEFORE, "flake.lock": OLD, **files})
        self.repository = Repository.open(self.path)

    def update(
        self,
        files: dict[str, bytes],
        placed: dict[str, tuple[int, bytes] | None] | None = None,
        *,
        lines: object = None,
    ) -> Rev:
        """Return an update commit. placed: mode and content. lines: other trailers than its own."""
        with Repository.open(self.path) as repository:
            writer = ObjectWriter(repository.reader, synced=False)
            entries: dict[str, Entry | None] = {
                path: (each[0], writer.write(b"blob", each[1], self.base)) if each is not None else None
                for path, each in (placed or {}).items()
            }
            named = {path: entry[1] if entry is not None else None for path, entry in entries.items()}
            named |= {
                path: writer.write(b"blob", content, self.base)
                for path, content in files.items()
                if not path.endswith("flake.lock")
            }
            own = file_lines(named, self.base) if lines is None else lines
            assert isinstance(own, tuple)
            text = message(RUN, ["• Updated"], {}, further=own)
            return write_update(repository, Rev(self.base), files, text, BOT, [], placed=entries)

    def is_ours(self, rev: Rev) -> bool:
        return is_ours(self.repository, self.repository.commit(rev))

    def read(self, rev: Rev) -> Update:
        return read_update(self.repository, own_commits(self.repository, "u", rev, [Rev(self.base)], hint=""))


ODD = 'a "b"\\\t\n é\x7f '


@given(st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_a_path_comes_back_from_its_quotes(path: str) -> None:
    text = quote_path(path)
    assert text.isascii()
    assert text.isprintable()
    assert text == text.strip()
    assert unquote_path(text) == path


@pytest.mark.parametrize("text", ["", '"', '"a"', '"\\141"', 'a"b', "é", '"é"', '"\\"', '"\\n" ', '"\\400"'])
def test_what_is_not_so_quoted_is_no_path(text: str) -> None:
    assert unquote_path(text) is None


def test_paths_are_quoted_as_git_quotes_them(tmp_path: Path) -> None:
    names = ["tab\tname", 'quote"', "back\\slash", "é", "line\nfeed", "bell\x07", "plain name", "\x7f"]
    path = tmp_path / "r"
    repos.make_repo(path, dict.fromkeys(names, "x"))
    shown = repos.run_git("-c", "core.quotePath=true", "ls-files", cwd=path).splitlines()
    assert sorted(shown) == sorted(map(quote_path, names))


def test_a_commit_is_ours_with_the_files_that_it_names(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {"gone.json": "1", "folder/x": "1", "file": "1"})
    rev = ground.update(
        {"flake.lock": NEW, "flake.nix": AFTER.encode()},
        {
            "deps.json": (REGULAR, b"{}"),
            "nix/run.sh": (0o100755, b"#!"),
            "link": (SYMLINK, b"deps.json"),
            "gone.json": None,
            "folder/x": None,
            "folder": (REGULAR, b"now a file"),
            "file": None,
            "file/y": (REGULAR, b"now a folder"),
            ODD: (REGULAR, b"odd"),
        },
    )
    assert ground.is_ours(rev)
    assert repos.run_git("fsck", "--strict", "--no-dangling", cwd=ground.path) == ""
    shown = repos.run_git("ls-tree", "-r", "--name-only", "-z", rev, cwd=ground.path).split("\0")
    assert set(filter(None, shown)) == {
        *("flake.lock", "flake.nix", "deps.json", "nix/run.sh", "link", "folder", "file/y", ODD)
    }
    assert "100755" in repos.run_git("ls-tree", rev, "nix/run.sh", cwd=ground.path)
    update = ground.read(rev)
    assert {*update.files} == {"flake.nix", "deps.json", "nix/run.sh", "link", "gone.json"} | {
        *("folder", "folder/x", "file", "file/y", ODD)
    }
    assert [move.path for move in update.moves] == [("lib",)]
    assert [flake for flake, _, _ in changed_locks(ground.repository, update)] == ["."]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (f"Flakesync-File: {'1' * 40} deps.json",),
        (f"Flakesync-File: {'0' * 40} deps.json",),
        ("Flakesync-File: BLOB other.json",),
        ("Flakesync-File: BLOB deps.json", "Flakesync-File: BLOB other.json"),
        ("Flakesync-File: BLOB deps.json", "Flakesync-File: BLOB deps.json"),
        ("Flakesync-File: BLOB deps.json", "Flakesync-File: BLOB flake.lock"),
        ("Flakesync-File: BLOB",),
        ('Flakesync-File: BLOB "deps.json"',),
    ],
)
def test_a_commit_that_names_other_files_is_not_ours(tmp_path: Path, lines: tuple[str, ...]) -> None:
    ground = Ground(tmp_path, {})
    blob = blob_id(b"{}", ground.base)
    given_lines = tuple(line.replace("BLOB", blob) for line in lines)
    placed: dict[str, tuple[int, bytes] | None] = {"deps.json": (REGULAR, b"{}")}
    assert not ground.is_ours(ground.update({"flake.lock": NEW}, placed, lines=given_lines))
    assert ground.is_ours(ground.update({"flake.lock": NEW}, placed))


@pytest.mark.parametrize("change", [{"deps.json": "2"}, {"other": "2"}, {"deps.json": None}])
def test_amended_with_the_same_dates_it_is_not_ours(
    tmp_path: Path, change: repos.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(tmp_path, {})
    rev = ground.update({"flake.lock": NEW}, {"deps.json": (REGULAR, b"{}")})
    repos.run_git("checkout", "-q", "--detach", rev, cwd=ground.path)
    for path, content in change.items():
        (ground.path / path).write_text(str(content)) if content is not None else (ground.path / path).unlink()
    repos.run_git("add", "-A", cwd=ground.path)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{repos.DATE} +0000")
    monkeypatch.setenv("GIT_COMMITTER_NAME", BOT.name)
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", BOT.email)
    repos.run_git("commit", "-q", "--amend", "--no-edit", cwd=ground.path)
    amended = Rev(repos.run_git("rev-parse", "HEAD", cwd=ground.path).strip())
    assert not ground.is_ours(amended)
    with pytest.raises(SyncError, match="did not make"):
        ground.read(amended)


def test_an_update_has_landed_when_the_base_has_its_files_too(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {"gone": "1"})
    update = ground.read(ground.update({"flake.lock": NEW}, {"deps.json": (REGULAR, b"{}"), "gone": None}))

    def landed(**files: str | bytes | None) -> bool:
        named = {name.replace("_", "."): content for name, content in files.items()}
        rev = repos.commit(ground.path, named, parents=[Rev(ground.base)], branch="b")
        return has_content(ground.repository, rev, update)

    assert not landed(flake_lock=NEW)
    assert not landed(flake_lock=NEW, deps_json="{}")
    assert not landed(flake_lock=NEW, deps_json="{ }", gone=None)
    assert not landed(flake_lock=NEW, deps_json="exec:{}", gone=None)
    assert not landed(deps_json="{}", gone=None)
    assert landed(flake_lock=NEW, deps_json="{}", gone=None)
    assert landed(flake_lock=NEW, deps_json="{}", gone=None, other="1")


def test_edits_have_landed_whatever_else_flake_nix_says_by_now(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {})
    update = ground.read(ground.update({"flake.lock": NEW, "flake.nix": AFTER.encode()}))
    assert update.files == ("flake.nix",)

    def at(flake_nix: str | None, lock: bytes = NEW) -> tuple[bool, bool]:
        files = {"flake.nix": flake_nix, "flake.lock": lock}
        rev = repos.commit(ground.path, files, parents=[Rev(ground.base)], branch="b")
        return has_content(ground.repository, rev, update), has_other_locks(ground.repository, rev, update)

    more = ' inputs.more.url = "github:a/more";'
    assert at(AFTER)[0]
    assert at(NIX.replace("MORE", f"# words\n{more}{FOLLOWS}"))[0]
    assert not at(BEFORE)[0]
    assert not at(NIX.replace("MORE", more))[0]
    assert not at(None)[0]
    assert not at(AFTER.replace("{ inputs", "let a = 1; in { inputs"))[0]
    # Until it has: text beside the inputs is none of an update's affair.
    assert at(f"# words\n{BEFORE}", OLD) == (False, False)
    assert at(NIX.replace("MORE", more), OLD) == (False, True)
    assert at(BEFORE, OLD) == (False, False)


def test_edits_alone_are_an_update(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {})
    rev = ground.update({"flake.nix": AFTER.encode()})
    assert ground.is_ours(rev)
    update = ground.read(rev)
    assert (update.moves, update.files) == ((), ("flake.nix",))
    assert not has_content(ground.repository, Rev(ground.base), update)
    landed = repos.commit(ground.path, {"flake.nix": f"# new\n{AFTER}"}, branch="b", parents=[Rev(ground.base)])
    assert has_content(ground.repository, landed, update)


def test_checks_carry_over_only_between_the_same_files(tmp_path: Path) -> None:
    ground = Ground(tmp_path, {})
    one = ground.update({"flake.lock": NEW}, {"deps.json": (REGULAR, b"{}")})
    other = ground.update({"flake.lock": NEW}, {"deps.json": (REGULAR, b"{ }")})
    mode = ground.update({"flake.lock": NEW}, {"deps.json": (0o100755, b"{}")})
    same = ground.update({"flake.lock": NEW, "deps.json": b"{}"})
    assert same_trees(ground.repository, one, same)
    assert not same_trees(ground.repository, one, other)
    assert not same_trees(ground.repository, one, mode)
    assert not same_trees(ground.repository, one, ground.update({"flake.lock": NEW}))
