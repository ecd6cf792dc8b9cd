"""The lines of .gitattributes that make `git archive` differ from the tree, checked against `git archive` itself."""

import io
import re
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.git.repository import Repository
from flakesync.git.store.attributes import find_hazards, require_quick
from flakesync.git.values import Hazard
from flakesync.terms import Rev
from tests.support import gitusers
from tests.support.repos import make_repo, run_git

FILES: dict[str, str | bytes] = {
    "flake.nix": "{ }\n",
    "src/a.c": "$Id$ $Format:%H$\nint x;\n",
    "src/deep/b.txt": "$Id$ $Format:%H$\ntext\n",
    "win.bat": "$Id$ $Format:%H$\necho\n",
    "img.bin": b"\0\1$Id$ $Format:%H$\n",
}


def archive_differs(path: Path, rev: str) -> bool:
    data = subprocess.run(["git", "archive", rev], cwd=path, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        packed = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    names = run_git("ls-tree", "-r", "-z", "--name-only", rev, cwd=path).strip("\0").split("\0")
    tree = {
        name: subprocess.run(
            ["git", "cat-file", "blob", f"{rev}:{name}"], cwd=path, check=True, capture_output=True
        ).stdout
        for name in names
    }
    return packed != tree


def hazards(
    path: Path, attributes: str, *, file: str = ".gitattributes", more: dict[str, str] | None = None
) -> tuple[Rev, tuple[Hazard, ...]]:
    rev = make_repo(path, FILES | (more or {}) | {file: attributes}, checkout=False)
    with Repository.open(path) as repo:
        return rev, find_hazards(repo.reader, rev, repo.common_dir / "info" / "attributes")


@pytest.mark.parametrize(
    "line",
    [
        "src export-ignore",
        "src/ export-ignore",
        "/src/a.c export-ignore",
        "*.txt export-subst",
        "* export-subst",
        "src/** export-subst",
        "**/b.txt ident",
        "src/**/b.txt ident",
        "*.bat eol=crlf",
        "*.bat text eol=crlf",
        "*.[ch] text eol=crlf",
        "*.b?t ident",
        '"win.bat" ident',
        "  *.bat\tident",
        "[attr]mine ident\n*.bat mine",
        "[attr]a export-ignore\n[attr]b a\nsrc b",
        "*.txt -text\n*.bat -diff eol=crlf",
        "*.bat working-tree-encoding=UTF-16",
        "* text=auto\n*.bat eol=crlf",
    ],
)
def test_what_changes_the_archive_is_a_hazard(tmp_path: Path, line: str) -> None:
    rev, found = hazards(tmp_path / "r", line + "\n")
    assert archive_differs(tmp_path / "r", rev)
    assert found


@pytest.mark.parametrize(
    "line",
    [
        "* text=auto",
        "* text",
        "*.c text eol=lf",
        "*.bin binary",
        "src linguist-vendored diff=cpp merge=union -whitespace",
        "src -export-ignore",
        "* !ident -filter",
        "* -export-subst !export-ignore !eol -eol",
        "*.bat -text eol=crlf",
        "*.bat binary eol=crlf",
        "# * ident",
        "!*.bat ident",
        "[attr]mine ident",
        "*.bat -mine",
        "*.bat working-tree-encoding=utf-8",
        "*.sln eol=crlf",
        "/a.c ident",
        "nothing export-ignore",
        "win.bat/ export-ignore",
        "src/b.txt ident",
        "* -crlf",
        "*.bat crlf=input",
        "",
    ],
)
def test_what_changes_nothing_is_no_hazard(tmp_path: Path, line: str) -> None:
    rev, found = hazards(tmp_path / "r", line + "\n")
    assert not archive_differs(tmp_path / "r", rev)
    assert found == ()


def test_a_hazard_names_file_line_and_attribute(tmp_path: Path) -> None:
    _, found = hazards(
        tmp_path / "r", "# x\n\n*.txt filter=lfs diff=lfs -text\n*.txt ident\n", file="src/.gitattributes"
    )
    assert found == (
        Hazard("src/.gitattributes", 3, "filter=lfs"),
        Hazard("src/.gitattributes", 4, "ident"),
    )


def test_a_pattern_counts_from_its_files_folder(tmp_path: Path) -> None:
    assert hazards(tmp_path / "a", "/win.bat ident\n/b.txt ident\n", file="src/.gitattributes")[1] == ()
    assert hazards(tmp_path / "b", "deep/b.txt ident\n", file="src/.gitattributes")[1] != ()
    # A macro can only be made at the top; this is an attribute that nobody has heard of.
    assert hazards(tmp_path / "c", "[attr]m ident\n*.txt m\n", file="src/.gitattributes")[1] == ()


def test_attributes_of_the_clone_count(tmp_path: Path) -> None:
    rev, found = hazards(tmp_path / "r", "")
    assert found == ()
    info = tmp_path / "r/.git/info/attributes"
    info.parent.mkdir(exist_ok=True)
    info.write_text("src export-ignore\n")
    with Repository.open(tmp_path / "r") as repo:
        assert find_hazards(repo.reader, rev, repo.common_dir / "info" / "attributes") == (
            Hazard("$GIT_DIR/info/attributes", 1, "export-ignore"),
        )
    assert archive_differs(tmp_path / "r", rev)


@pytest.mark.parametrize("user", gitusers.CONVERSIONS)
def test_what_the_user_has_set_is_switched_off_and_does_not_count(tmp_path: Path, hermetic: Path, user: str) -> None:
    gitusers.become(hermetic, user)
    assert hazards(tmp_path / "r", "")[1] == ()


def test_odd_bytes_and_symlinks_do_no_harm(tmp_path: Path) -> None:
    make_repo(tmp_path / "a", FILES | {".gitattributes": b'\xff\xfe* ident\n\xef\xbb\xbf\n[attr]\n"\n\0\n* =x\n'})
    make_repo(tmp_path / "b", FILES | {".gitattributes": "link:flake.nix"})
    for name in ("a", "b"):
        with Repository.open(tmp_path / name) as repo:
            rev = repo.branch("main")
            assert rev is not None
            assert find_hazards(repo.reader, rev, repo.common_dir / "info" / "attributes") == ()


def test_a_macro_that_names_itself_ends(tmp_path: Path) -> None:
    _, found = hazards(tmp_path / "r", "[attr]a b ident\n[attr]b a\n* a\n")
    assert found == (Hazard(".gitattributes", 3, "ident"),)


def of_local(tmp_path: Path, lines: str, files: dict[str, str | bytes]) -> tuple[Hazard, ...]:
    """Return the hazards of lines that no other program reads: git tries stars in every way."""
    make_repo(tmp_path / "r", files)
    local = tmp_path / "attributes"
    local.write_text(lines)
    with Repository.open(tmp_path / "r") as repo:
        rev = repo.branch("main")
        assert rev is not None
        return find_hazards(repo.reader, rev, local)


def test_stars_are_not_tried_in_every_way(tmp_path: Path) -> None:
    folder = "a" * 60
    lines = f"{'*a' * 20}b ident\n{'**/' * 20}b ident\n*/{'*?' * 20}b ident\n"
    began = time.thread_time()
    assert of_local(tmp_path, lines, {f"{folder}/{'a/' * 30}{folder}": ""}) == ()
    # In every way, which is what it took before, is longer than the universe is old.
    assert time.thread_time() - began < 5


def test_macros_that_double_each_other_are_taken_once(tmp_path: Path) -> None:
    lines = [f"[attr]m{n} m{n + 1} x m{n + 1}" for n in range(2_000)]
    found = of_local(tmp_path, "\n".join([*lines, "[attr]m2000 ident", "* m0"]) + "\n", {"a": ""})
    assert found == (Hazard("$GIT_DIR/info/attributes", 2002, "ident"),)


def test_more_patterns_than_can_be_tried_are_an_error_that_names_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flakesync.git.store.attributes._MOST_TRIES", 0)
    with pytest.raises(GitError, match=r"attributes, line 101: too many patterns to try on 2 paths$") as caught:
        of_local(tmp_path, "".join(f"x{n} ident\n" for n in range(200)), {"a": "", "b": ""})
    assert caught.value.code == "attributes"


LONG = "a" * 190
DEEP = "a/" * 60


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (f"{'*a' * 8}*b/c", f"{LONG}/x"),
        (f"/{'*a' * 8}*b", f"{LONG}/x"),
        (f"d/{'*a' * 4}*b/{'*a' * 4}*b/c", f"d/{LONG}b/{LONG}b/x"),
        (f"{'**/' * 12}b", f"{DEEP}x"),
        (f"{'**/a/' * 8}b", f"{DEEP}x"),
        (f"/{'[[:alpha:]]*' * 8}b", f"{LONG}/x"),
        (f"/{'*?' * 8}*b", f"{LONG}/x"),
        ('"/' + r"\052a" * 8 + '*b"', f"{LONG}/x"),
        ("/" + r"*\a" * 8 + "*b", f"{LONG}/x"),
    ],
)
@pytest.mark.parametrize("file", [".gitattributes", "sub/.gitattributes", "info"])
def test_a_pattern_that_git_never_ends_with_is_an_error_that_names_its_line(
    tmp_path: Path, pattern: str, name: str, file: str
) -> None:
    path = tmp_path / "r"
    folder = file.removesuffix(".gitattributes") if file != "info" else ""
    lines = f"# no pattern\n{pattern} x\n"
    rev = make_repo(path, {folder + name: ""} | ({} if file == "info" else {file: lines}), checkout=False)
    (path / ".git/info/attributes").write_text(lines if file == "info" else "")
    with (
        Repository.open(path) as repo,
        pytest.raises(GitError, match=f"{re.escape(file)}.*, line 2: .*too long") as caught,
    ):
        require_quick(repo.reader, rev, repo.common_dir / "info" / "attributes")
    assert caught.value.code == "attributes"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (f"{'*a' * 8}*b/c", "short/x"),
        (f"{'*z' * 8}/c", f"{LONG}/x"),
        ("*-*-*-*_*.min.*.js", "some-long-file-name-as_they.are.min.bundle.js"),
        ("**/test/**/fixtures/**/*.json", f"test/{'deep/' * 20}fixtures/{'more/' * 20}a.json"),
        (f"[attr]{'*a' * 8}", f"{LONG}/x"),
        (f"!{'*a' * 8}*b/c", f"{LONG}/x"),
        (f"# {'*a' * 8}*b/c", f"{LONG}/x"),
        ("*" * 500 + "b/c", f"{LONG}/x"),
    ],
)
def test_a_pattern_with_many_stars_that_git_ends_with_does_no_harm(tmp_path: Path, pattern: str, name: str) -> None:
    path = tmp_path / "r"
    rev = make_repo(path, {name: "", ".gitattributes": f"{pattern} x\n"}, checkout=False)
    with Repository.open(path) as repo:
        require_quick(repo.reader, rev, None)
    run_git("read-tree", rev, cwd=path)
    subprocess.run(["git", "check-attr", "--cached", "x", name], cwd=path, check=True, capture_output=True, timeout=60)


def test_many_patterns_with_many_stars_are_an_error_before_they_take_long(tmp_path: Path) -> None:
    lines = "".join(f"/{'*a' * 500}{number}/c x\n" for number in range(500))
    rev = make_repo(tmp_path / "r", {f"{LONG}/x": "", ".gitattributes": lines}, checkout=False)
    began = time.thread_time()
    with Repository.open(tmp_path / "r") as repo, pytest.raises(GitError) as caught:
        require_quick(repo.reader, rev, None)
    assert caught.value.code == "attributes"
    assert time.thread_time() - began < 20
