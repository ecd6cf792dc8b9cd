"""Inputs that took minutes or gigabytes once, and their relatives: too large to be kept as files."""

import bz2
import itertools
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator

from flakesync.nix.store.zstd import packed

_N = 20_000
_MIB = bytes(1 << 20)

_IN_NIX = (
    "a. [ ( {a= ''${ \"${ a// let\u00a0 x: - ! + ++ f\u00a0 ,} ,/* ,# ,/**/ /* # ( ) } = ; == ? readFile\u00a0 "
    "outputs={ outputs= inputs. inputs= self. '' \" ''$ \\"
)
_IN_ADDRESS = (
    "a: @ / git@ a@: %41 %4 a=b& u: a/ [ []: https:// /archive/ /-/archive/ .tar.gz A a- @: : ? & token key= 5"
)


def _words(text: str) -> Iterator[bytes]:
    return (word.replace("\u00a0", " ").encode() for word in text.split(" "))


def _repeated(words: str, befores: tuple[bytes, ...], size: int = 60_000) -> list[bytes]:
    return [before + word * (size // len(word)) for word in _words(words) for before in befores]


def _chain(length: int) -> bytes:
    nodes = [b'"root":{"inputs":{"a":"n0"}}']
    for at in range(length):
        inputs = b'"inputs":{"a":"n%d"},' % (at + 1) if at < length - 1 else b""
        nodes.append(b'"n%d":{%b"locked":{"type":"path","path":"/x"}}' % (at, inputs))
    return b'{"nodes":{%b},"root":"root","version":7}' % b",".join(nodes)


def _shared(levels: int) -> bytes:
    nodes = [b'"root":{"inputs":{"a":"n0","b":"n0"}}']
    for at in range(levels):
        inputs = b'"inputs":{"a":"n%d","b":"n%d"},' % (at + 1, at + 1) if at < levels - 1 else b""
        nodes.append(b'"n%d":{%b"locked":{"type":"path","path":"/x"}}' % (at, inputs))
    return b'{"nodes":{%b},"root":"root","version":7}' % b",".join(nodes)


def _follows(count: int) -> bytes:
    inputs = [b'"i0":"n"', *(b'"i%d":["i%d"]' % (at, at - 1) for at in range(1, count))]
    node = b'"n":{"locked":{"type":"path","path":"/x"}}'
    return b'{"nodes":{"root":{"inputs":{%b}},%b},"root":"root","version":7}' % (b",".join(inputs), node)


def _header(name: str, size: int = 0, kind: bytes = b"0") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def _extended(**headers: str) -> bytes:
    info = tarfile.TarInfo("t/f")
    info.pax_headers = headers
    return info.tobuf(tarfile.PAX_FORMAT)


def _packed(*parts: bytes, zeros: int = 0) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(part) for part in (*parts, *itertools.repeat(_MIB, zeros))]
    return b"".join(pieces) + packer.flush()


_TOP = _header("t", kind=tarfile.DIRTYPE)


def _tars() -> list[bytes]:
    kinds = (b"x", b"g", b"L", b"K", b"0", b"S", b"1", b"2", b"3")
    values = ("inf", "nan", "-5", "1e400", "9" * 5000, "x", "1.5", "0x10")
    return [
        *(_packed(_TOP, _header("t/f", 80 << 20, kind), zeros=66) for kind in kinds[:5]),
        *(_TOP + _header("t/f", 8 << 30, kind) for kind in kinds),
        *(_packed(_TOP, _header("t/f", 0, kind) * 5000) for kind in kinds),
        *(_TOP + _extended(**{key: value}) + bytes(1024) for key in ("mtime", "size", "uid") for value in values),
        _TOP + _header("p", 9_000, b"x") + b"1" * 9_000,
        _packed(_TOP, _extended(path="t/" + "a/" * 20_000)),
        _packed(_TOP, *(_extended(path=f"t/{at}/" + "a/" * 2_000) for at in range(300))),
        _TOP + _extended(path="t/a\0b") + bytes(1024),
        _TOP + _extended(path="t/../b") + bytes(1024),
        _TOP + _extended(**{"GNU.sparse.map": "1,x", "GNU.sparse.size": "5"}) + bytes(1024),
        _TOP + _extended(hdrcharset="BINARY") + bytes(1024),
        _packed(_TOP, bytes(1024), zeros=66),
    ]


def _bombs() -> Iterator[bytes]:
    """What unpacks to more than anybody wants."""
    zeros = bytes(8 << 20)
    yield bz2.compress(zeros) * 10
    yield lzma.compress(zeros, preset=0) * 10
    yield lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    yield b"".join(packed([zeros] * 10))


SHAPES: dict[str, Callable[[], list[bytes]]] = {
    "lock": lambda: [
        _chain(3_000),
        _chain(20_000),
        _shared(40),
        _follows(_N),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"version":%b}' % (b"9" * 100_000),
        b"<<<<<<<\n" * 50_000,
        b'{"nodes":{"root":{}},"root":"root","version":7,"x":[%b]}' % b",".join([b'{"a":1,"a":2}'] * _N),
    ],
    "history": lambda: [
        b'{"schema":"flakesync/history/1"}\n' * 50_000,
        b"\n" * 1_000_000,
        b'"flakesync/history/1"' + b"[" * 100_000,
        b'{"schema":"flakesync/history/1","findings":{"x":%b' % (b'{"a":' * 100_000),
        b'{"schema":"flakesync/history/1","repos":%b}\n' % (b"9" * 100_000),
    ],
    "flake": lambda: [
        *_repeated(_IN_NIX, (b"{ outputs = x: ",), 4_000),
        b"{outputs=x: {%bb=1;};}" % (b"a." * _N),
        b"{outputs=%b[%b];}" % (b"".join(b"x%d: " % at for at in range(5_000)), b"x0 " * _N),
        b"{inputs={%b};outputs=x: x;}" % b"".join(b'i%d.url="github:o/r";' % at for at in range(10_000)),
        b"{inputs.a.url=a:%b;outputs=x: x;}" % (b"b" * 100_000),
        b'{inputs.a.follows="%b";outputs=x: x;}' % (b"a/" * 50_000),
        b"{nixConfig=rec{%b};outputs=x: x;}" % b"".join(b"a-%d=1;b-%d=a-%d;" % (at, at, at) for at in range(5_000)),
        b"{outputs=x: x;}" + "#\u3000\n".encode() * 20_000,
        b"{outputs=x: [%b];}" % (b"({a,}: a)" * 10_000),
        b"{outputs=x: ./${x}%b;}" % (b"/${x}" * 20_000),
        b"x" * (1 << 20),
    ],
    "manifest": lambda: [
        b"a." * 5_000,
        b"[" * 5_000,
        b"a = " + b"[" * 5_000,
        b"a = " + b"{a=" * 5_000,
        b"a = " + b"9" * 10_000,
        b'[workspace]\nname = "a"\n[defaults]\nhold = ["%b"]\n' % (b"*a" * 5_000),
    ],
    "plan": lambda: [
        b"[" * 100_000,
        b'{"format":"flakesync/plan-file/1","flakesync":"@V","manifest":"@D","tasks":%b' % (b'[{"units":' * 50_000),
        b'{"format":"flakesync/plan-file/1","flakesync":"@V","manifest":"@D","run":"a","branch":"flakesync/update",'
        b'"tasks":[],"untouched":[%b]}' % b",".join(b'"%d"' % at for at in range(50_000)),
        b'{"schema":"flakesync/task/1","notes":[%b"x"]}' % (b'"x",' * 100_000),
    ],
    "reference": lambda: [
        *_repeated(_IN_ADDRESS, (b"", b"git+https://h/", b"https://h/x?", b"ssh://[::1]:")),
        b"git+ssh://git@h:22" + b"&" * 9_000 + b"\xa7",
        b"path:/x?lastModified=" + b"9" * 20_000,
        b"a" * 30_000 + b"@" + b"b" * 30_000,
    ],
    "globs": lambda: [
        b"*a" * 20 + b"b\n*?" + b"*?" * 20 + b"b\n" + b"a" * 100,
        b"*a/" * 20 + b"*a*a*a*a*b\n*b\n" + b"aaaaaaaaaaaaaaaaaaaaaaaa/" * 21,
        b"*a" * 90 + b"b\n" + b"*a" * 90 + b"c\na",
    ],
    "answers": lambda: [
        b"200\n" + b"[" * 100_000,
        b"200\n[%b]" % (b"{}," * 100_000),
        b"403\n" + b'{"message":' * 50_000,
        b'409\n{"message":"%b"}' % (b"\\u0027" * 50_000),
        b'422\n{"errors":[%b""]}' % (b'"head",' * 50_000),
    ],
    "texts": lambda: [
        *_repeated("<> < <a>; ;a ;rel= \x1b[ ` | [ https:// Depends-On:\u00a0 - \n", (b"", b"<a>;", b"<!-- ")),
    ],
    "output": lambda: _repeated(
        "getting\u00a0status\u00a0of\u00a0/ path\u00a0' 1|if\u00a0 attribute\u00a0'"
        " /n0vx21by1fshhc5i07zwvn7x3ybc6van-source/",
        (b"getting status of /n0vx21by1fshhc5i07zwvn7x3ybc6van-source/", b"infinite recursion encountered\n1|"),
    ),
    "tar": lambda: [*_tars(), *_bombs()],
    "cache": lambda: [
        *_bombs(),
        b"a:\n" * 200_000,
        b"NarSize: " + b"9" * 500_000 + b"\n",
        b"References: " + b"a " * 300_000 + b"\n",
        b"\x50\x2a\x4d\x18\0\0\0\0" * 100_000,
        b"\x28\xb5\x2f\xfd\x00\x88\x01\0\0" * 20_000,
    ],
    "bundle": lambda: [
        *_tars(),
        tarfile.TarInfo("a").tobuf() * 20_000,
        b"".join(tarfile.TarInfo(f"x{at}").tobuf() for at in range(5_000)) + bytes(1024),
        b"[" * 100_000,
        b'{"schemaVersion":2,"manifests":[%b{}]}' % (b"{}," * _N),
        b'{"schema":"flakesync/bundle/1","base":[%b""]}' % (b'"sha256:x",' * _N),
        b'{"schema":' * 50_000,
    ],
    "attributes": lambda: [
        b"*a" * 20 + b"b ident\n" + b"**/" * 20 + b"b ident\n",
        b"".join(b"[attr]m%d m%d x m%d\n" % (at, at + 1, at + 1) for at in range(3_000)) + b"* m0\n",
        b"".join(b"*a*%d ident\n" % at for at in range(10_000)),
        b'"' + b"\\\\" * 50_000,
        b"a" * 100_000 + b" ident\n",
        b"* ident " * 20_000,
    ],
    "seen": lambda: [
        b"[" * 100_000,
        b'{"schema":"flakesync/seen-record/1","tips":[\n%bnull]}\n' % (b"null,\n" * _N),
        b'{"schema":"flakesync/seen-record/1","tips":[\n%b' % (b"{},\n" * _N),
        b"<<<<<<<\n" * 50_000,
        b"%b 1\n" % (b"a" * 40) * 20_000,
        b"%b %b\n" % (b"a" * 40, b"9" * 200_000),
        b"%b %b\n" % (b"a" * 40, b"@{" * 100_000),
        b"%b 2026-11-20T%b\n" % (b"a" * 40, b"1:" * 100_000),
    ],
    "git": lambda: [
        bytes([kind]) + word * 20_000
        for kind in range(6)
        for word in (b"a", b"\n", b"ref: ", b"[", b'[a "', b"a = b\\\n", b"^", b"\0", b"a b")
    ],
}
