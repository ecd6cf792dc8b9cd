"""The narHash that audit computes of random commits is the one that real Nix locks, by git and as a forge's archive.

FLAKESYNC_FIDELITY is the number of commits for each version; else a few.
"""

import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pygit2
import pytest

from flakesync.audit.evidence.contents import find_contents
from flakesync.audit.evidence.model import CommitKey, ContentEvidence, commit_key
from flakesync.terms import Rev
from tests.audit.nodes import node_of
from tests.support import locks, repos
from tests.support.forge.world import make_world
from tests.support.nix import RealNix

COMMITS = int(os.environ.get("FLAKESYNC_FIDELITY", "30"))
FIRST = int(os.environ.get("FLAKESYNC_FIDELITY_FIRST", "0"))
BATCH = 50
NAMES = (
    b"a", b"a.b", b"a-b", b"ab", b"A", b".hidden", b"with space", "ä".encode(), b"\xff\xfe", b"*", b"x" * 120, b"v.txt",
    b"\t", b"quote\"'", b"$", b"-n", b"\\",
)  # fmt: skip
CONTENTS = (
    b"", b"1\n", b"$Format:%H$\n", b"$Format:%an %ct$ and $Format:%s$", b"$Format:%d$", b"$Format:%h$", b"$Id$\n",
    b"a\r\nb\n", b"\0" * 9, b"x" * 70_000, b"\xc3\xa4\n",
)  # fmt: skip
GIVEN = ("export-ignore",) * 4 + ("export-subst",) * 4 + (
    "eol=crlf", "text", "text=auto", "ident", "-text", "binary", "filter=lfs", "working-tree-encoding=UTF-16",
    "text eol=lf", "crlf", "!export-ignore", "-export-subst", "linguist-generated", "merge=union",
)  # fmt: skip
PATTERNS = ("*", "a", "*.txt", "a/", "/a", "ab/*", "**/a", "*.b", ".gitattributes", "sub", "[ab]", '"with space"')
Json = dict[str, object]


def _tree(repo: pygit2.Repository, chance: random.Random, depth: int = 0) -> pygit2.Oid:
    entries: dict[bytes, tuple[bytes, bytes]] = {}
    for name in chance.sample(NAMES, chance.randint(0 if depth and chance.random() < 0.2 else 1, 6)):
        kind = chance.random()
        if kind < 0.25 and depth < 3:
            entries[name] = b"40000", _tree(repo, chance, depth + 1).raw
        elif kind < 0.33:
            entries[name] = b"120000", repo.create_blob(chance.choice((b"a", b"../x", b"/nowhere", b"\xff"))).raw
        elif kind < 0.4:
            entries[name] = b"160000", chance.randbytes(20)
        else:
            mode = chance.choice((b"100644", b"100644", b"100755", b"100664"))
            entries[name] = mode, repo.create_blob(chance.choice(CONTENTS)).raw
    if chance.random() < (0.15 if depth else 0.5):
        lines = [f"{chance.choice(PATTERNS)} {chance.choice(GIVEN)}\n" for _ in range(chance.randint(1, 3))]
        entries[b".gitattributes"] = b"100644", repo.create_blob("".join(lines).encode()).raw
    if not depth:
        entries[b"flake.nix"] = b"100644", repo.create_blob(b"{ outputs = _: { }; }\n").raw
    order = sorted(entries, key=lambda name: name + (b"/" if entries[name][0] == b"40000" else b""))
    data = b"".join(entries[name][0] + b" " + name + b"\0" + entries[name][1] for name in order)
    return repo.write(pygit2.enums.ObjectType.TREE, data)


def make_commits(path: Path, number: int, first: int) -> list[Rev]:
    """Make a repository whose branch has so many random commits, one after the other."""
    repos.make_repo(path, {"flake.nix": "{ outputs = _: { }; }\n"}, checkout=False)
    repo = pygit2.Repository(str(path))
    parent = repo.head.target
    found = []
    for seed in range(first, first + number):
        tree = _tree(repo, random.Random(seed))
        person = pygit2.Signature("Zoë", "zoe@example.com", 1_700_000_000 + seed, 60)
        parent = repo.create_commit("refs/heads/main", person, person, f"Commit {seed}", tree, [parent])
        found.append(Rev(str(parent)))
    repo.free()
    return found


def expression(attrs: Json, revs: list[Rev]) -> str:
    """Return an expression that gives the narHash of each commit."""
    given = " ".join(f"{name} = {json.dumps(value)};" for name, value in attrs.items())
    trees = " ".join(f'"{rev}" = (builtins.fetchTree {{ {given} rev = "{rev}"; }}).narHash;' for rev in revs)
    return f"{{ {trees} }}"


def compare(clone: Path, cache: Path, right: Mapping[Rev, str], made: locks.Input) -> Counter[str]:
    """Return how many commits there are of each kind. right: what Nix has made of each."""
    keys: dict[Rev, CommitKey] = {}
    found = commit_key(node_of(made))
    assert found is not None
    for rev in right:
        keys[rev] = msgspec.structs.replace(found, rev=rev)
    answers = find_contents(keys.values(), {found.identity: clone}, None, cache, jobs=2, offline=True)
    kinds: Counter[str] = Counter()
    wrong = []
    for rev, key in keys.items():
        answer = answers[key]
        assert isinstance(answer, ContentEvidence), (rev, answer)
        if right[rev] in answer.nar_hashes:
            kinds["equal"] += 1
        elif answer.unsure is not None:
            kinds["unsure"] += 1
        else:
            wrong.append((rev, repos.run_git("log", "-1", "--format=%s", rev, cwd=clone), right[rev], answer))
    assert not wrong, wrong
    return kinds


@pytest.mark.nix
@pytest.mark.parametrize("first", range(FIRST, FIRST + COMMITS, BATCH))
def test_a_commit_has_the_hash_that_nix_locks_by_git(nix: RealNix, tmp_path: Path, first: int) -> None:
    clone = tmp_path / "lib"
    revs = make_commits(clone, min(BATCH, FIRST + COMMITS - first), first)
    text = expression({"type": "git", "url": f"file://{clone}", "ref": "main"}, revs)
    done = subprocess.run(
        [str(nix.path), "eval", "--impure", "--json", "--expr", text],
        env=nix.env(tmp_path / "state"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kinds = compare(clone, tmp_path / "cache", json.loads(done.stdout), locks.git(f"file://{clone}"))
    assert kinds["equal"] > kinds["unsure"]


@pytest.mark.nix
@pytest.mark.parametrize("first", range(FIRST, FIRST + COMMITS, BATCH))
def test_a_commit_has_the_hash_that_nix_locks_from_an_archive(outer_nix: RealNix, tmp_path: Path, first: int) -> None:
    with make_world(tmp_path, outer_nix, [("github.com", "github")]) as world:
        clone = world.clone("lib")
        revs = make_commits(clone, min(BATCH, FIRST + COMMITS - first), first)
        project = world.forge.site("github.com").create("acme/lib")
        repos.put_on_server(clone, project.storage.path, "https://github.com/acme/lib")
        text = expression({"type": "github", "owner": "acme", "repo": "lib"}, revs)
        # What it says on the way has file names that are no text.
        quietly = ("sh", "-c", 'exec "$@" 2>said', "sh", world.nix.path)
        argv = (*quietly, "eval", "--impure", "--json", "--expr", text)
        right = json.loads(world.net.run(*argv, cwd=tmp_path, env=world.env).stdout)
    kinds = compare(clone, tmp_path / "cache", right, locks.github("acme", "lib"))
    assert kinds["equal"] > kinds["unsure"]
