"""What reads other people's bytes, each as a function of bytes that may raise nothing but a FlakesyncError."""

import bz2
import contextlib
import gzip
import io
import itertools
import lzma
import tarfile
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import httpx2
import msgspec
import pygit2

from flakesync import __version__
from flakesync.bundle.layout.archive import pieces_at, places_in
from flakesync.bundle.layout.oci import read_image, read_index, read_marker
from flakesync.bundle.receive.contents import read_manifest
from flakesync.cooldown.seen import encode_seen, read_seen
from flakesync.cooldown.seen_import import read_tips
from flakesync.errors import FlakesyncError, plain
from flakesync.forge.adapter import Adapter
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.forgejo.adapter import Forgejo
from flakesync.forge.github.adapter import GitHub
from flakesync.forge.gitlab.adapter import GitLab
from flakesync.forge.model import Project, Pull, PullQuestion
from flakesync.forge.urls import length_of_list, next_page
from flakesync.git.remotes.remote import parse_remote
from flakesync.git.store.attributes import find_hazards
from flakesync.git.store.config import read_settings
from flakesync.git.store.objects import ObjectReader
from flakesync.git.store.refs import refs_below
from flakesync.git.store.trees import walk
from flakesync.history.read import one_a_day, read_history
from flakesync.nix.expression.edit import CannotEditError, Edited, RemoveFollows, SetFollows, SetRef, edit_inputs
from flakesync.nix.expression.inputs import FlakeInputs, read_inputs
from flakesync.nix.expression.need_of_lock import may_have_inputs
from flakesync.nix.expression.own_lock import line_that_reads_lock
from flakesync.nix.expression.stale import find_stale
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.moved import moved_inputs
from flakesync.nix.program.errors import explain
from flakesync.nix.program.hints import hint_in
from flakesync.nix.reference.flakeref import FlakeRef, identity_of_url
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import archived_ref, source_of
from flakesync.nix.reference.source_globs import covers
from flakesync.nix.store.checked import check_nar
from flakesync.nix.store.compression import decompressed_as
from flakesync.nix.store.narinfo import read_narinfo
from flakesync.nix.store.tarball import read_tar
from flakesync.nix.store.zstd import packed
from flakesync.pipeline.manifest import digest_of
from flakesync.pipeline.outcomes import read_outcomes
from flakesync.pipeline.plan_file import read_plan_file
from flakesync.publish import body
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev
from flakesync.workspace import values
from flakesync.workspace.archive import _note_links
from flakesync.workspace.manifest import Workspace, load_workspace

MOST_S = 2.0
"""Processor time that one input may take."""

_LONGEST_MESSAGE = 20_000
_ENDS = (b"\n", b" ")
REV = "1" * 40
_FLAKE = (
    b'{ inputs.a.url = "github:o/r"; inputs.a.inputs.b.follows = "b"; outputs = { self, a, ... }: { x = "${a}"; }; }'
)
_FLAKE_IN_SETS = (
    b"{ inputs = { # a\n  a = { url = \"github:o/r/b\"; /* } */ inputs = { b = { follows = ''a''; }; }; };\n"
    b'  a.inputs.d.follows = "a"; };\r\n  outputs = _: { }; }'
)
_LOCK = (
    b'{"nodes": {"a": {"inputs": {"b": "b", "c": ["b"]}, "locked": {"type": "github", "owner": "o", "repo": "r", '
    b'"rev": "1111111111111111111111111111111111111111", "lastModified": 1}, '
    b'"original": {"type": "indirect", "id": "a"}},'
    b' "b": {"locked": {"type": "git", "url": "https://h/x"}}, "root": {"inputs": {"a": "a", "b": "b"}}},'
    b' "root": "root", "version": 7}'
)
_EDITS = (SetFollows(("a", "c"), ("a", "b")), RemoveFollows(("a", "b")), SetRef(("a",), "b", "c"))
_NO_HASH = "sha256-" + "A" * 43 + "="
_PULL = Pull(7, "https://h/7", "open", "T", "B", Rev(REV), "flakesync/update", "main")


@dataclass(frozen=True)
class Target:
    """run: what is tried. seeds: inputs to begin with. tokens: what inputs are put together from."""

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


def attempt(target: Target, data: bytes) -> float:
    """Return the processor seconds that an input took. Raises: what no user may ever see."""
    began = time.thread_time()
    try:
        target.run(data)
    except FlakesyncError as error:
        if len(error.message) > _LONGEST_MESSAGE:
            raise ValueError("a message that fills the screen") from None
    return time.thread_time() - began


def _try_all(*asks: Callable[[], object]) -> None:
    for ask in asks:
        with contextlib.suppress(FlakesyncError):
            ask()


def _folder() -> Path:
    """Return a folder to write to; each test has a place of its own for temporary files."""
    return _folder_in(tempfile.gettempdir())


@cache
def _folder_in(_place: str) -> Path:
    return Path(tempfile.mkdtemp(prefix="flakesync-fuzz-"))


def _read_lock(data: bytes) -> None:
    lock = LockFile.parse(data)
    list(itertools.islice(lock.walk(), 100_000))
    again = LockFile.parse(lock.renamed().to_bytes())
    moved_inputs(lock, again)
    find_stale(_FLAKE, lock)
    for node in lock.nodes.values():
        str(node.origin)


def _read_flake(data: bytes) -> None:
    read = read_inputs(data)
    for edit in _EDITS if isinstance(read, FlakeInputs) else ():
        with contextlib.suppress(CannotEditError):
            made = edit_inputs(data, [edit])
            assert edit_inputs(made.source, [edit]) == Edited(made.source, ())
    may_have_inputs(data)
    line_that_reads_lock(data.decode("utf-8", "surrogateescape") + " flake.locks")


def _read_reference(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    hide_secrets(plain(text))
    identity_of_url(text)
    archived_ref({"type": "tarball", "url": text})
    source_of({"type": "tarball", "url": text})
    _try_all(lambda: parse_remote(text), lambda: FlakeRef.from_attrs({"type": "git", "url": text}))
    ref = FlakeRef.parse(text)
    assert FlakeRef.parse(ref.to_url()).type == ref.type
    str(ref)


def _read_manifest(data: bytes) -> None:
    file = _folder() / "workspace.toml"
    file.write_bytes(data)
    load_workspace(file)


@cache
def _workspace_of_a_plan() -> Workspace:
    file = _folder() / "planned.toml"
    file.write_text('[pins.p]\nsource = "github:o/r/b"\n[repos.x]\nurl = "github:o/x"\n')
    return load_workspace(file)


def _read_a_plan(data: bytes) -> None:
    """Read a plan file, in which @V is the version and @D the digest of the manifest; and what a task says."""
    workspace = _workspace_of_a_plan()
    file = _folder() / "plan.json"
    file.write_bytes(data.replace(b"@V", __version__.encode()).replace(b"@D", digest_of(workspace).encode()))
    folder = _folder() / "outcomes"
    folder.mkdir(exist_ok=True)
    (folder / "x.json").write_bytes(data)
    plan = read_plan_file(file, workspace)
    plan.encode()
    read_outcomes(folder, plan, lambda _: None)


def _read_globs(data: bytes) -> None:
    first, _, rest = data.decode("utf-8", "replace").partition("\n")
    second, _, path = rest.partition("\n")
    globs = tuple(values.glob(each) for each in (first, second))
    values.overlap(*globs)
    values.matches(globs, tuple(path.split("/")))
    covers((first, second), Identity("github.com", path))


def _read_answers(data: bytes) -> None:
    """Give one answer to every question of every adapter."""
    status, _, content = data.partition(b"\n")
    code = int(status) if status in (b"200", b"201", b"403", b"404", b"409", b"422", b"429") else 200
    answer = lambda _: httpx2.Response(code, content=content, headers={"X-Total-Count": "9" * 30})  # noqa: E731
    now = itertools.count()
    for kind, host in ((GitHub, "github.com"), (GitLab, "gitlab.com"), (Forgejo, "codeberg.org")):
        client = Client(
            Endpoint(host, f"https://{host}/api", "s3cret"),
            kind.headers("s3cret"),
            transport=httpx2.MockTransport(answer),
            sleep=lambda _: None,
            # An hour a look: whoever waits for a limit is soon out of patience.
            clock=lambda: float(next(now)) * 3600,
        )
        _try_all(*_questions(kind(client), Project(host, "acme/lib")))


def _questions(forge: Adapter, project: Project) -> tuple[Callable[[], object], ...]:
    return (
        lambda: forge.home(project),
        lambda: forge.find(project, head="flakesync/update", base="main"),
        lambda: forge.find_many([PullQuestion(project, "flakesync/update", "main")] * 2),
        lambda: forge.find_statuses([(project, replace(_PULL, key="PR_7"))] * 2),
        lambda: forge.get(project, 7),
        lambda: forge.merge_status(project, _PULL),
        lambda: forge.merge(project, _PULL, head=Rev(REV), method="merge"),
        lambda: forge.pushes(project, "main", since=0),
        lambda: forge.commit_checks(project, Rev(REV)),
    )


def _read_texts(data: bytes) -> None:
    """Read what stands in pull requests and in headers."""
    text = data.decode("utf-8", "replace")
    for read in (body.is_ours, body.run_of, body.pulls_in, body.depends_on_in, body.dependents_in):
        read(text)
    body.put_into(text, body.BEGIN + body.END)
    next_page({"link": text})
    length_of_list({"x-total-count": text})
    _note_links({"link": text}, [])


def _read_output(data: bytes) -> None:
    """Read what Nix, or the check of a repo, has written."""
    text = data.decode("utf-8", "replace")
    hint_in(text)
    explain(text)


def _read_archive(data: bytes) -> None:
    read_tar([data], files=["flake.nix"], greatest_bytes=1 << 28)


def _read_cache(data: bytes) -> None:
    """Read a file of a binary cache, or a blob of a bundle."""
    _try_all(
        lambda: read_narinfo(data),
        *(
            lambda name=name: deque(check_nar(decompressed_as(name, [data]), size=1 << 20, nar_hash=_NO_HASH), 0)
            for name in ("zstd", "xz", "none")
        ),
    )


@cache
def _repository(folder: Path) -> tuple[Path, str]:
    path = folder / "repository"
    repo = pygit2.init_repository(str(path), initial_head="main")
    builder = repo.TreeBuilder()
    builder.insert("a" * 60, repo.create_blob(b"x"), pygit2.enums.FileMode.BLOB)
    who = pygit2.Signature("A", "a@b", 1, 0)
    commit = repo.create_commit("refs/heads/main", who, who, "x", builder.write(), [])
    return path / ".git", str(commit)


def _read_attributes(data: bytes) -> None:
    place, commit = _repository(_folder())
    local = _folder() / "attributes"
    local.write_bytes(data)
    find_hazards(ObjectReader.open(place), Rev(commit), local)


def _read_git(data: bytes) -> None:
    """Put the bytes where git keeps something, and read that."""
    place, commit = _repository(_folder())
    names = ("packed-refs", "refs/heads/other", "HEAD", "config", f"objects/{commit[:2]}/{commit[2:]}", "shallow")
    file = place / names[data[0] % len(names) if data else 0]
    before = file.read_bytes() if file.exists() else None
    file.unlink(missing_ok=True)
    file.write_bytes(data[1:])
    try:
        reader = ObjectReader.open(place)
        _try_all(
            reader.default_branch,
            lambda: reader.branch("main"),
            lambda: reader.ref("refs/heads/other"),
            lambda: refs_below(reader, "refs/heads"),
            lambda: read_settings(reader),
            lambda: reader.commit(Rev(commit)),
            lambda: list(walk(reader, reader.tree_of(Rev(commit)))),
        )
    finally:
        file.unlink()
        if before is not None:
            file.write_bytes(before)


def _read_seen_record(data: bytes) -> None:
    """Read a record of tips, and lines that are imported; what is read is written so that it reads the same."""
    place = _folder() / "seen.json"
    place.write_bytes(data)
    with contextlib.suppress(FlakesyncError):
        record = read_seen(place, now=1 << 31)
        place.write_bytes(encode_seen(record))
        assert read_seen(place, now=1 << 31).tips == record.tips
    read_tips(data, "lines", now=1 << 31)


def _read_a_history(data: bytes) -> None:
    """Read the lines of a history; what is read is written so that it reads the same."""
    lines = one_a_day(read_history(data).lines)
    written = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    assert read_history(written).lines == lines


def _read_bundle(data: bytes) -> None:
    """Read an archive of a layout, or one of its JSON files."""
    file = io.BytesIO(data)
    _try_all(
        lambda: [deque(pieces_at(file, place), 0) for place in places_in(file).values()],
        lambda: read_marker(data),
        lambda: read_index(data),
        lambda: read_image(data),
        lambda: read_manifest(data, {}),
    )


def _tar() -> bytes:
    top, file = tarfile.TarInfo("t"), tarfile.TarInfo("t/flake.nix")
    top.type, file.pax_headers = tarfile.DIRTYPE, {"comment": REV, "mtime": "1"}
    return top.tobuf() + file.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


def _zstd(data: bytes) -> bytes:
    return b"".join(packed([data]))


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in text.split())


TARGETS = {
    "lock": Target(
        _read_lock, (_LOCK,), _words('{ } [ ] , : "a" "b" "nodes" "inputs" "root" "version" 7 null true 9e999')
    ),
    "flake": Target(
        _read_flake,
        (_FLAKE, _FLAKE_IN_SETS),
        _words(
            "{ } [ ] ( ) ; = : , . ? @ // ++ + - ! '' \" ${ a b inputs outputs rec let in with if then or /* */ # \\"
        ),
    ),
    "manifest": Target(
        _read_manifest,
        (
            b'[workspace]\nname = "a"\n[pins.p]\nsource = "github:o/r/b"\n[repos.x]\npath = "x"\nhold = ["a*"]\n',
            b'[repos.x]\nurl = "github:o/x"\n[[hold]]\nrepo = "x"\ninput = ".#a"\nuntil = 2027-03-01\nreason = "b"\n',
        ),
        _words('[workspace] [repos.x] [pins.p] = "a" url path hold [ ] { } " """ 1 1e9 true 1979-05-27 inputs . [['),
    ),
    "plan": Target(
        _read_a_plan,
        (
            (
                b'{"format":"flakesync/plan-file/1","flakesync":"@V","manifest":"@D","run":"a",'
                b'"branch":"flakesync/update","tasks":[{"run":"a","repo":"x","day":"2026-11-29",'
                b'"base_rev":"%b","changes":[{"repo":"x","flake":".","input":["p"],"original":{},"locked":{},'
                b'"to":{"type":"rev","rev":"%b"},"reason":"r","pin":"p"}]}]}' % (REV.encode(), REV.encode())
            ),
            (
                b'{"schema":"flakesync/task/1","run":"a","locker":"native","outcome":{"repo":"x","status":"failed",'
                b'"error":{"code":"c","message":"m"}},"pushed":false}'
            ),
        ),
        _words('{ } [ ] , : "x" "a" "tasks" "repo" "to" "rev" "update" "upstream" "upstreams" "bases" "holds" 7 null'),
    ),
    "reference": Target(
        _read_reference,
        (
            b"github:o/r/main?dir=x",
            b"git+ssh://git@h:22/a/b?ref=x&rev=" + REV.encode(),
            b"https://u:p@h/x.tar.gz?token=1",
        ),
        _words(
            "github: git+ssh:// https:// / : @ ? & = # % %2F ref rev dir token [ ] a . .. -/archive/ .tar.gz git@ 22"
        ),
    ),
    "history": Target(
        _read_a_history,
        (
            (
                b'{"schema":"flakesync/history/1","at":"2026-11-28T03:17:00Z","run":"a","repos":1,"in_step":1,"seconds":1.5,'
                b'"findings":{"pin":1},"pins":{"p":{"target":null,"revs":1,"at_target":0,"oldest_d":4}},"pulls":null}\n'
            ),
        ),
        _words('{ } [ ] , : "at" "pin" "sync" "pulls" "open" 7 -1 1e9 9e999 null true 2026-02-31'),
    ),
    "globs": Target(
        _read_globs, (b"*a?[b-c]\n*/a\nxa/y",), (b"*", b"?", b"[", b"]", b"!", b"/", b"a", b"-", b"\n", b"^")
    ),
    "answers": Target(
        _read_answers,
        (
            b'200\n[{"number":7,"iid":7,"state":"open","head":{"sha":"x","ref":"b"}}]',
            b'409\n{"message":["head moved"]}',
            b'200\n[{"after":"1","ref":"refs/heads/main","timestamp":"0001-01-01T00:00:00Z","activity_type":"push"}]',
            b'200\n[{"created_at":"9999-12-31T23:59:59+23:59","push_data":{"ref":"main","ref_type":"branch"}}]',
            b'200\n[{"created":"2026-11-20T10:00:00Z","op_type":"commit_repo","ref_name":"main","content":"[{}]"}]',
            b'200\n{"check_runs":[{"status":"completed","name":"x"}],"statuses":[],"total_count":9}',
        ),
        _words('200 403 409 429 { } [ ] , : "message" "errors" "data" "number" "iid" null 1e999 ""') + _ENDS,
    ),
    "texts": Target(
        _read_texts,
        (body.BEGIN.encode() + b"| [upd](https://h/1) |\n" + body.END.encode(), b'<https://h/x>; rel="next"'),
        (
            *_words('< > ; rel = "next" "immutable" , | [ ] ( ) ` Depends-On:'),
            body.BEGIN.encode(),
            body.END.encode(),
            b"\n",
        ),
    ),
    "output": Target(
        _read_output,
        (
            b"error: path '/nix/store/n0vx21by1fshhc5i07zwvn7x3ybc6van-source/x.nix' does not exist",
            b"error: infinite recursion encountered\n  1| if config.x then",
        ),
        (
            *_words("error: path ' /nix/store/n0vx21by1fshhc5i07zwvn7x3ybc6van-source/ missing attribute 1| if config"),
            b" does not exist",
            b"getting status of ",
            b" follows a non-existent input ",
            b"\n",
        ),
    ),
    "tar": Target(
        _read_archive,
        (_tar(), gzip.compress(_tar(), mtime=0), lzma.compress(_tar()), bz2.compress(_tar()), _zstd(_tar())),
        (bytes(512), b"0", b"7", b"x", b"L", b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd"),
    ),
    "cache": Target(
        _read_cache,
        (
            (
                b"StorePath: /nix/store/9g4i8dwpwlhqv2xjzjpxlgyvs8814wjp-source\nURL: nar/0vra.nar.zst\n"
                b"Compression: zstd\nNarHash: sha256:19wra1k5nn66wknfbfxn32vmldjvprlcm8cnhw1k2waic7bycdh0\n"
                b"NarSize: 7\nReferences: \n"
            ),
            _zstd(_tar()),
        ),
        (
            *_words("StorePath: URL: nar/ .. / NarHash: sha256: sha512: NarSize: 7 -1 1e9 CA: fixed:r:"),
            b" ",
            b"\n",
            b"\x28\xb5\x2f\xfd",
            b"\x02\0\x10",
            b"\x50\x2a\x4d\x18",
        ),
    ),
    "bundle": Target(
        _read_bundle,
        (
            _tar(),
            tarfile.TarInfo("./blobs/sha256/x").tobuf() + bytes(1024),
            b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":'
            b'"application/vnd.oci.image.manifest.v1+json","digest":"sha256:' + b"0" * 64 + b'","size":7}]}',
            b'{"schema":"flakesync/bundle/1","workspace":"a","flakesync":"1","base":[],"repos":[{"name":"app","url":null,'
            b'"flakes":["."],"branches":[{"name":"main","tip":"' + REV.encode() + b'","tree":"' + REV.encode() + b'"}],'
            b'"prerequisites":[],"blob":null}],"sources":[]}',
        ),
        (
            *_words(
                '{ } [ ] , : "blob" "size" "name" "tip" sha256: sha256- ../ ./ /etc null 7 -1 1e9 99999999999999999999'
            ),
            REV.encode(),
            b"\0" * 512,
            b"path=",
            b"17 size=999999\n",
            b"x",
            b"L",
            b"S",
            b"2",
            b"\x80",
        ),
    ),
    "attributes": Target(
        _read_attributes,
        (b'*.c ident\n[attr]m export-ignore\n/a/**/b* m\n"a b" -text eol=crlf\n',),
        _words('* ** / ? [attr]m m ident export-ignore filter=x " \\ ! - = # a') + _ENDS,
    ),
    "seen": Target(
        _read_seen_record,
        (
            b'{"schema":"flakesync/seen-record/1","tips":[\n'
            b'{"source":"github:a/b","ref":null,"rev":"' + REV.encode() + b'","seen":"2026-11-20T03:00:00Z"},\n'
            b"null]}\n",
            REV.encode() + b" 1790000000\n" + REV.encode() + b" main@{2026-11-20 03:00:00 +0200}\n",
        ),
        (
            *_words(
                '{ } [ ] , : "tips" "seen" "ref" "rev" "source" null 7 0001-01-01T00:00:00+23:59 9999-12-31 @{ # <<<'
            ),
            REV.encode(),
            b" ",
            b"\n",
        ),
    ),
    "git": Target(
        _read_git,
        (
            b"\0" + REV.encode() + b" refs/heads/main\n^" + REV.encode() + b"\n",
            b"\2ref: refs/heads/main\n",
            b'\3[core]\n\tbare = false\n[remote "x"]\n\turl = "a b"\n',
        ),
        (
            b"\0",
            b"\1",
            b"\2",
            b"\3",
            b"\4",
            b"ref: ",
            b"refs/heads/",
            b"\n",
            b"\t",
            b"[",
            b"]",
            b'"',
            b"=",
            b"^",
            REV.encode(),
        ),
    ),
}
