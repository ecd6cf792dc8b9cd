"""What commits hold: from clones and from servers, kept by commit and tree, and never more than is sure."""

from pathlib import Path

import msgspec
import pygit2
import pytest

from flakesync.audit.evidence.contents import find_contents
from flakesync.audit.evidence.model import CommitKey, ContentEvidence, Unknown, commit_key
from flakesync.cache.layout import contents_file
from flakesync.git import process
from flakesync.git.store.contents import TreeContents
from flakesync.git.store.objects import ObjectReader
from flakesync.nix.store.narhash import nar_hash_of_tree
from flakesync.terms import Rev
from tests.audit.nodes import node_of
from tests.support import locks, repos

Answer = ContentEvidence | Unknown


def key_of(url: str | Path, rev: Rev, **changes: object) -> CommitKey:
    found = commit_key(node_of(locks.git(f"file://{url}", ref="main", rev=rev)))
    assert found is not None
    return msgspec.structs.replace(found, **changes)


def find(cache: Path, *keys: CommitKey, clone: Path | None = None, offline: bool = False) -> list[Answer]:
    clones = {keys[0].identity: clone} if clone is not None else {}
    found = find_contents(keys, clones, None, cache, jobs=2, offline=offline)
    return [found[key] for key in keys]


def raw_hash(repository: Path, rev: Rev) -> str:
    reader = ObjectReader.open(repository)
    return nar_hash_of_tree(TreeContents(reader), reader.tree_of(rev))


def fetched(cache: Path) -> bool:
    return (cache / "sources").exists()


def test_a_commit_of_a_server_is_fetched_once_and_known_for_good(tmp_path: Path) -> None:
    server, cache = tmp_path / "server", tmp_path / "cache"
    rev = repos.make_bare(server, {"a": "1", "b/c": "exec:2", "d": "link:a"})
    key = key_of(server, rev)
    assert find(cache, key) == [ContentEvidence((raw_hash(server, rev),))]
    server.rename(tmp_path / "gone")
    assert find(cache, key, offline=True) == [ContentEvidence((raw_hash(tmp_path / "gone", rev),), known=True)]


def test_a_commit_that_is_on_no_branch_any_more_is_fetched_by_its_id(tmp_path: Path) -> None:
    server = tmp_path / "server"
    old = repos.make_bare(server, {"a": "1"})
    new = repos.commit(server, {"a": "2"}, parents=[])
    assert find(tmp_path / "cache", key_of(server, old), key_of(server, new)) == [
        ContentEvidence((raw_hash(server, rev),)) for rev in (old, new)
    ]


def test_a_server_that_gives_nothing_by_id_is_asked_for_the_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    server = tmp_path / "server"
    rev = repos.make_bare(server, {"a": "1"})
    repos.commit(server, {"a": "2"})
    assert find(tmp_path / "cache", key_of(server, rev)) == [ContentEvidence((raw_hash(server, rev),))]


def test_a_clone_that_has_the_commit_is_read_and_no_server_is_asked(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    rev = repos.make_repo(clone, {"a": "1"})
    key = key_of(tmp_path / "nowhere", rev)
    assert find(tmp_path / "cache", key, clone=clone, offline=True) == [ContentEvidence((raw_hash(clone, rev),))]
    assert not fetched(tmp_path / "cache")


def test_a_partial_clone_fetches_nothing_behind_the_back_of_offline(tmp_path: Path) -> None:
    server, clone = tmp_path / "server", tmp_path / "clone"
    rev = repos.make_bare(server, {"a": "1"})
    repos.run_git("config", "uploadpack.allowFilter", "true", cwd=server)
    repos.run_git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{server}", str(clone), cwd=tmp_path)
    key = key_of(server, rev)
    (offline,) = find(tmp_path / "cache", key, clone=clone, offline=True)
    assert isinstance(offline, Unknown)
    missing = repos.run_git("rev-list", "--objects", "--all", "--missing=print", cwd=clone)
    assert "?" in missing
    assert find(tmp_path / "cache", key, clone=clone) == [ContentEvidence((raw_hash(server, rev),))]


def test_a_clone_without_all_its_files_is_no_obstacle(tmp_path: Path) -> None:
    server, clone = tmp_path / "server", tmp_path / "clone"
    rev = repos.make_bare(server, {"a": "1"})
    repos.clone_bare(server, clone)
    blob = repos.run_git("rev-parse", f"{rev}:a", cwd=clone)
    (clone / "objects" / blob[:2] / blob[2:]).unlink()
    assert find(tmp_path / "cache", key_of(server, rev), clone=clone) == [ContentEvidence((raw_hash(server, rev),))]


def test_two_commits_with_one_tree_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, cache = tmp_path / "server", tmp_path / "cache"
    one = repos.make_bare(server, {"a": "1"})
    repos.commit(server, {"a": "2"})
    again = repos.commit(server, {"a": "1"}, message="Back")
    trees: list[str] = []

    def counted(contents: TreeContents, tree: str) -> str:
        trees.append(tree)
        return nar_hash_of_tree(contents, tree)

    monkeypatch.setattr("flakesync.workspace.clones.committed.nar_hash_of_tree", counted)
    first, second = find(cache, key_of(server, one), key_of(server, again))
    assert first == second
    assert len(trees) == 1
    clone = repos.clone_bare(server, tmp_path / "clone")
    third = repos.commit(clone, {"a": "1"}, message="Once more")
    (found,) = find(cache, key_of(server, third), clone=clone, offline=True)
    assert isinstance(found, ContentEvidence)
    assert found.known
    assert len(trees) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"nar_hashes": 3}', b"\xff\xfe"])
def test_what_is_damaged_in_the_cache_is_computed_anew(tmp_path: Path, damage: bytes) -> None:
    server, cache = tmp_path / "server", tmp_path / "cache"
    rev = repos.make_bare(server, {"a": "1"})
    key = key_of(server, rev)
    expected = find(cache, key)
    tree = ObjectReader.open(server).tree_of(rev)
    for oid in (rev, tree):
        contents_file(cache, oid).write_bytes(damage)
    assert find(cache, key) == expected


@pytest.mark.parametrize(
    "line", ["* eol=crlf", "*.txt ident", "*.txt filter=other", "a.txt working-tree-encoding=UTF-16"]
)
def test_what_depends_on_who_fetches_is_not_sure(tmp_path: Path, line: str) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {".gitattributes": line + "\n", "a.txt": "$Id$\n"})
    (found,) = find(tmp_path / "cache", key_of(server, rev))
    assert isinstance(found, ContentEvidence)
    assert raw_hash(server, rev) in found.nar_hashes
    assert found.unsure is not None
    assert found.unsure.startswith(".gitattributes line 1 has ")


def test_lfs_is_named(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {"sub/.gitattributes": "\n*.bin filter=lfs diff=lfs\n", "sub/a.bin": "1"})
    (found,) = find(tmp_path / "cache", key_of(server, rev))
    assert isinstance(found, ContentEvidence)
    assert found.unsure == "uses git-lfs (sub/.gitattributes line 2)"


def test_attributes_of_archives_give_two_hashes_and_both_are_sure(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {".gitattributes": "b export-ignore\n", "a": "1", "b": "2"})
    (found,) = find(tmp_path / "cache", key_of(server, rev))
    bare = repos.make_bare(tmp_path / "other", {".gitattributes": "b export-ignore\n", "a": "1"})
    assert found == ContentEvidence((raw_hash(server, rev), raw_hash(tmp_path / "other", bare)))


def test_what_is_put_into_an_archive_is_that_of_each_commit(tmp_path: Path) -> None:
    server, cache = tmp_path / "server", tmp_path / "cache"
    files = {".gitattributes": "v export-subst\n", "v": "$Format:%H$\n"}
    one = repos.make_bare(server, files)
    two = repos.commit(server, {"v": files["v"]}, message="Again")
    keys = (key_of(server, one), key_of(server, two))
    found = find(cache, *keys)
    expected = [
        ContentEvidence((raw_hash(server, rev), raw_hash(tmp_path / rev, made)))
        for rev in (one, two)
        for made in [repos.make_bare(tmp_path / rev, {**files, "v": f"{rev}\n"})]
    ]
    assert found == expected
    assert find(cache, *keys, offline=True) == [msgspec.structs.replace(each, known=True) for each in expected]


def test_what_differs_from_clone_to_clone_is_not_sure(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {".gitattributes": "v export-subst\n", "v": "$Format:%d$\n"})
    (found,) = find(tmp_path / "cache", key_of(server, rev))
    assert isinstance(found, ContentEvidence)
    assert found.unsure == "v: $Format:%d$ differs from clone to clone"


def test_with_submodules_only_the_same_hash_is_sure(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {"a": "1"})
    (found,) = find(tmp_path / "cache", key_of(server, rev, submodules=True))
    assert found == ContentEvidence((raw_hash(server, rev),), "it takes in other repositories (`submodules`)")


def test_an_empty_folder_may_be_left_out(tmp_path: Path) -> None:
    server = tmp_path / "server"
    repos.make_bare(server, {"a": "1"})
    repository = pygit2.Repository(str(server))
    empty = repository.TreeBuilder().write()
    builder = repository.TreeBuilder(repository.head.peel(pygit2.Tree))
    builder.insert("empty", empty, pygit2.enums.FileMode.TREE)
    person = pygit2.Signature("a", "a@example.com", 1_700_000_000, 0)
    rev = Rev(str(repository.create_commit("refs/heads/other", person, person, "x", builder.write(), [])))
    (found,) = find(tmp_path / "cache", key_of(server, rev))
    assert found == ContentEvidence((raw_hash(server, rev), raw_hash(server, Rev(str(repository.head.target)))))


def test_a_tree_of_the_same_folders_over_and_over_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakesync.nix.store.nar._MOST_ENTRIES", 1000)
    server, cache = tmp_path / "server", tmp_path / "cache"
    repos.make_bare(server, {"a": "1"})
    repository = pygit2.Repository(str(server))
    tree = repository.head.peel(pygit2.Tree).id
    for _ in range(40):
        builder = repository.TreeBuilder()
        for name in ("x", "y"):
            builder.insert(name, tree, pygit2.enums.FileMode.TREE)
        tree = builder.write()
    person = pygit2.Signature("a", "a@example.com", 1_700_000_000, 0)
    rev = Rev(str(repository.create_commit("refs/heads/bomb", person, person, "x", tree, [])))
    for _ in range(2):
        assert find(cache, key_of(server, rev)) == [Unknown(f"the tree {tree} has more than 1000 files and folders")]


def test_a_commit_that_the_server_does_not_have_is_not_known_and_the_others_are(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {"a": "1"})
    none, found = find(tmp_path / "cache", key_of(server, Rev("1" * 40)), key_of(server, rev))
    assert isinstance(none, Unknown)
    assert none.reason.endswith("its server does not have the commit")
    assert isinstance(found, ContentEvidence)


def test_a_server_that_is_not_there_is_told_for_each_of_its_commits(tmp_path: Path) -> None:
    keys = [key_of(tmp_path / "nowhere", Rev(digit * 40)) for digit in "12"]
    one, two = find(tmp_path / "cache", *keys)
    assert isinstance(one, Unknown)
    assert one == two
    assert "nowhere" in one.reason


def test_a_commit_with_a_name_of_sha256_is_read_too(tmp_path: Path) -> None:
    server = tmp_path / "server"
    repos.run_git("init", "--quiet", "--object-format=sha256", "-b", "main", str(server), cwd=tmp_path)
    (server / "a").write_text("1")
    repos.run_git("add", "a", cwd=server)
    repos.run_git("commit", "--quiet", "-m", "x", cwd=server)
    rev = Rev(repos.run_git("rev-parse", "HEAD", cwd=server))
    other = repos.make_bare(tmp_path / "other", {"a": "1"})
    assert find(tmp_path / "cache", key_of(server, rev)) == [ContentEvidence((raw_hash(tmp_path / "other", other),))]


def test_a_tag_has_the_files_of_its_commit(tmp_path: Path) -> None:
    server = tmp_path / "server"
    rev = repos.make_bare(server, {"a": "1"})
    repos.run_git("tag", "-a", "-m", "x", "v1", cwd=server)
    tag = Rev(repos.run_git("rev-parse", "v1", cwd=server))
    assert find(tmp_path / "cache", key_of(server, tag)) == [ContentEvidence((raw_hash(server, rev),))]


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_the_commits_of_a_repository_are_fetched_together_and_each_has_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", protocol)
    fetched: list[int] = []
    real = process.git

    def git(argv: list[str], **values: object) -> process.Answer:
        if argv[0] == "fetch":
            fetched.append(sum(":refs/" in each for each in argv))
        return real(argv, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", git)
    server = tmp_path / "server"
    revs = [repos.make_bare(server, {"a": "0"}), *(repos.commit(server, {"a": each}) for each in "123")]
    keys = [key_of(server, rev) for rev in (*revs, Rev("1" * 40))]
    *found, none = find(tmp_path / "cache", *keys)
    assert found == [ContentEvidence((raw_hash(server, rev),)) for rev in revs]
    assert isinstance(none, Unknown)
    if protocol == "2":
        assert fetched == [5, 4]


def test_a_server_that_fails_at_many_commits_at_once_is_asked_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = process.git

    def git(argv: list[str], **values: object) -> process.Answer:
        if argv[0] == "fetch" and sum(":refs/" in each for each in argv) > 1:
            return process.Answer(128, b"", "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n")
        return real(argv, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", git)
    server = tmp_path / "server"
    revs = [repos.make_bare(server, {"a": "0"}), repos.commit(server, {"a": "1"})]
    keys = [key_of(server, rev) for rev in revs]
    assert find(tmp_path / "cache", *keys) == [ContentEvidence((raw_hash(server, rev),)) for rev in revs]
