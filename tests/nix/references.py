"""Flake references in every form, as data: what is understood, what is refused, and where versions of Nix differ."""

import itertools
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

REV = "0123456789abcdef0123456789abcdef01234567"
HASH = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def cross(*parts: Iterable[str]) -> list[str]:
    return ["".join(each) for each in itertools.product(*parts)]


def references(block: str) -> list[str]:
    """Return what stands in a block of text, two spaces or a line feed apart; REV, REVISION and HASH stand for one."""
    found = [each.strip() for each in re.split(r"\n|  ", block)]
    return [each.replace("REVISION", REV.upper()).replace("REV", REV).replace("HASH", HASH) for each in found if each]


FORGES = cross(
    ("github:", "gitlab:", "sourcehut:"),
    ("o/r", "~u/r.x", "o/r/x", "o/r/a/b", f"o/r/{REV}", "/o//r/"),
    ("", "?dir=d/e", "?host=git.example.org", f"?narHash={HASH}&foo=bar"),
)
GIT = cross(
    ("git+https://h", "git+http://h:8080", "git+ssh://git@h:22", "git://h", "git+file://"),
    ("/o/r", "/o/r.git/", "/o%20x/~r+"),
    ("", "?ref=a/b", f"?rev={REV}&ref=x", "?dir=d", "?submodules=1&shallow=0", "?b=1&a=x/y"),
)
TARBALLS = cross(
    (
        "https://h/x",
        "https://h/x.tar.gz",
        "http://h/a*b.zip",
        "file:///x/y.tgz",
        "tarball+https://h/x",
        "file+https://h/x",
    ),
    ("", "?dir=d", f"?rev={REV}&revCount=3&lastModified=4", f"?narHash={HASH}", "?q=1"),
)
OTHERS = [
    *cross(("hg+https://h/x", "hg+ssh://u@h/x", "hg+file:///x"), ("", f"?rev={REV}&ref=a", "?dir=d&q=1")),
    *cross(("path:/a", "path:/a/b/", "path:/a%20b", "path:./x", "path:../x", "/a"), ("", "?dir=d", f"?rev={REV}")),
    *references(r"""
nixpkgs  n_x-y  N/A  nixpkgs/x  nixpkgs/REV  nixpkgs/x/REV  nixpkgs/v1@x  nixpkgs/v1+x
flake:nixpkgs  flake:nixpkgs/x/REV  flake:nixpkgs?dir=d  flake:nixpkgs?ref=x  flake:nixpkgs//x
flake:/nixpkgs  flake:nixpkgs/  flake:nix%70kgs  flake:nixpkgs/a%2Fb  nixpkgs#
"""),
]
ODD = references(r"""
github:o/r?ref=x  github:o/r?ref=a/b  github:o/r?rev=REV  github:o/r?ref=REV  github:o/r?dir=
github:o/r?dir=a b  github:o/r?dir=a"b  github:o/r?dir=a[b]  github:o/r?dir=a+b  github:o/r?dir=a%20b
github:o/r?dir=d&dir=e  github:o/r?ref=x&ref=y  github:o/r?  github:o/r#  github:o/r?&  github:o/r?dir
github:o/r?ref  github:o/r?a=b=c  github:o/r/v1@x  github:o/r/v1+x  github:o/r?ref=_x  github:o/r?ref=%C3%A4
github:o/r?host=h-x.example  github:o/r/a%2Fb  github:o%20x/r  github:o/r&x  github:///o/r  github:o/r/HEAD
github:o%2Fx/r  gitlab:g%2Fh/r  gitlab:g%2fh/r/x  gitlab:g%252Fh/r  gitlab:g/h/r
github:o/r/REV000000000000000000000000
github:o/r/REVISION  github:o/r?rev=REVISION  nixpkgs/REVISION
git+https://h  git+https://h/  git+https://h?ref=x  git+https://u@h/o  git+https://u:p@h/o  git+https://H/o
git+https://u%40x:p%3Aq@h/o  git+https://:p@h/o  git+https://@h/o  git+https://u:@h/o  git+https://u:p:q@h/o
git+ssh://git@h:/o/r  git+ssh://git@[::1]:22/o/r  git+https://h%41/x  git+https://h_x/x  git+ssh://h/~/r
git+https://h/a*b  git+https://h/a'b!(c),d;e=f&g$h  git+https://h/a:b@c  git+https://h/a%c3%a4
git+https://h/%2e%2e/x
git+https://h/a//r  git+https://h/a/../r  git+https://h/a%2Fb/r  git+file:///a%2Fb  git+file:///a%20b
git+file:/x/y  git+file:x  git+file:.  git+file:./x  git+file:  git+file://  git+git://h/x  git+ftp://h/x
git+https://h/x?ref=refs/heads/a  git+https://h/x?ref=HEAD  git+https://h/x?ref=%C3%A4  git+https://h/x?ref=_a
git+https://h/x?submodules=true  git+https://h/x?shallow=  git+https://h/x?ref  git+https://h/x?foo
git+https://h/x?foo=
git+https://h/x?foo=a%2Fb&bar=c:d@e/f?g  git+https://h/x?foo=a%26b  git+https://h/x?foo=a+b
git+https://h/x?foo=a"b c
git+https://h/x?foo=[a]  git+https://h/x?narHash=HASH  git+https://h/x?name=x&lastModified=1  git+https://h#
git+https://h/x?allRefs=1&exportIgnore=1  git+https://h/x?lfs=1  git+https://h/x?rev=REV000000000000000000000000
https://h/x.TAR.GZ  https://h/x?f=x.tar.gz  https://h/a.tar.gz/b  https://h/a%2ezip  https://u:p@h/x.zip
https://h/x.tar.gz?name=foo&unpack=1&url=x  https://h/x.tar.gz?type=foo  https://h/x.tar.gz?ref=foo
https://h/x.tar.gz?revCount=-1  https://h/x.tar.gz?revCount=+1  https://h/x.tar.gz?lastModified=0x1
https://flakehub.com/f/NixOS/nixpkgs/0.2411.*.tar.gz  https://flakehub.com/f/NixOS/nixpkgs/0.1  file+file:///x/y
path:/  path:///abs  path:/a//b  path:a//b  path:/a/../b  path:/a:b@c  path:x?lastModified=01&revCount=1
/  /a b  /a%20b  /ä  /a:b  /a//b  /a/./b  /a/b/  /a?  /a?dir=x y
""")
REFUSED = [
    "",
    *references(r"""
?dir=x  #x  1abc  x.y  ~/x  nixpkgs?dir=x  nixpkgs#x  nixpkgs/  nixpkgs/-x  nixpkgs/a/b
nixpkgs/REV/x  nixpkgs/a..b  nixpkgs/x.lock  flake:  flake:1abc  flake:nixpkgs/a/b/c  flake:nixpkgs/a..b
GitHub:o/r  GIT+https://h/x  github:  github:o  github://o/r  github:o r/x  github:o/r/%zz  github:o/r#f
github:o/r/.x  github:o/r/-x  github:o/r/a..b  github:o/r/a.lock  github:o/r/a%20b  github:o/r/ä
github:o/r/%2Fx
github:o/r?ref=  github:o/r?ref=a%20b  github:o/r?ref=a~b  github:o/r?ref=a:b  github:o/r?ref=a.
github:o/r?ref=a/
github:o/r?ref=a//b  github:o/r?ref=/a  github:o/r?ref=a%5Cb  github:o/r?ref=@  github:o/r?ref=a/.b
github:o/r?ref=a*b
github:o/r?rev=0123  github:o/r/a?ref=b  github:o/r?ref=a&rev=REV  github:o/r/a?rev=REV  github:o/r/REV?ref=x
github:o/r?dir=%zz  github:o/r?dir=%ff  github:o/r?dir=a^b  github:o/r?dir=ä  github:o/r?host=h:80
gitlab:g/r/x?host=h_x
git@h:o/r.git  ssh://git@h/o/r  git+file://x/y  git+file://localhost/x  git+ext::sh  git:/x  git+https:h/x
git+ssh://git@h:o/r  git+ssh://git@h:0/o/r  git+ssh://git@h:99999/o/r  git+https://hä/x  git+https://h/o/r#x
git+https://h/x?ref=  git+https://h/x?ref=a..b  git+https://h/x?ref=-x  git+https://h/x?ref=a.lock/b
git+https://h/x?ref=@
git+https://h/x%zz  git+https://h/x?foo=%zz  git+https://h/x?foo=a|b  git+https://h/[x]  git+https://h/x|y
git+https://h/x\y
git+https://h/x^y  git+https://h/{x}  git+https://h/x<y  git+https://h/a b  git+https://h/a"b  hg:///x
hg+foo://h/x
mercurial:x  foo:bar  indirect:x  ftp://h/x.tar.gz  s3://b/x.tar.gz  tarball+ssh://h/x  file+git:///x
https://h/x.zip#x
path://h/abs  path:/a b  path:/ä  path:/abs#x  path:/a?foo=bar  path:/a?name=y  path:/a?ref=x  path:/a%2Fb
path:/a[b]
path:/a?revCount=x  path:/a?lastModified=-1  path:/a?lastModified=  path:/a"b  /a#x  /a?foo=bar
"""),
]

# Nix takes these and refuses as soon as it looks at the value or fetches (or fetches something else than was meant).
STRICTER = {
    "a rev that is no hash": references("""
git+https://h/x?rev=0123  git+https://h/x?rev=  https://h/x.tar.gz?rev=01  path:/a?rev=01  hg+https://h/x?rev=01
"""),
    "a rev in another notation": references("github:o/r?rev=sha1:REV"),
    "a network URL without a host": references("""
git+https:///x  https:  https://  https:h/x.tar.gz  tarball+https:x  file+https:x  git:///x  git+ssh:git@h:o/r
"""),
    "a transport that git does not know": references("git+foo://h/x  git+path:///x  git+HTTPS://h/x"),
    "no host that could be": references("github:o/r?host=  github:o/r?host=-h"),
    "a ref that git would not take": references("git+https://h/x?ref=-x/y  hg+https://h/x?ref=a..b"),
    "a zone id, which Nix 2.34 writes with zero bytes": references("git+ssh://git@[fe80::1%25eth0]/o"),
    "no path": references("path:  path:?dir=x"),
}


class Difference(NamedTuple):
    """References (a pattern) on which versions differ from the canonical reading.

    until: the last version it holds for, None: every one. Nix `refuses` what is understood here, `accepts` what is
    refused here, or `differs` in the attributes.
    """

    until: tuple[int, int] | None
    nix: Literal["refuses", "accepts", "differs"]
    pattern: str
    since: tuple[int, int] = (2, 4)


DIFFERENCES = [
    # 2.15: dash in a host, @ and + in a ref; 2.31: git's own rules for refs
    Difference((2, 14), "refuses", r"host=h-|/v1[@+]x"),
    Difference((2, 30), "refuses", r"^github.*ref=(_x|%C3)|^flake.*a%2Fb"),
    Difference((2, 30), "accepts", r"^(github|flake|nixpkgs).*(a\.\.b|\.lock|ref=(a\.|a/|a//b|a/\.b)$)"),
    Difference((2, 30), "accepts", r"^git[^+]*(ref=@$|/%2Fx$)|^git\+.*ref=-x$", (2, 15)),
    Difference((2, 14), "accepts", r"^git.*ref=-x$"),
    Difference((2, 17), "refuses", r"^path:.*\?dir="),
    # narHash of forges, and attributes of tarballs and git that were left in the URL
    Difference((2, 17), "differs", r"^(github|gitlab|sourcehut):.*\?narHash="),
    Difference((2, 16), "differs", r"^(https:.*gz|http:|file:///x/y\.tgz).*(\?rev=|\?name=|revCount=.1|lastModified=0x1|narHash=)"),
    Difference((2, 16), "differs", r"^git.*exportIgnore"),
    Difference((2, 26), "differs", r"^git.*lfs=1"),
    Difference((2, 26), "differs", r"\?type=foo", (2, 17)),
    # 2.9: URLs that do not end like a tarball
    Difference((2, 8), "refuses", r"^(tarball|file)\+(http|file)|^https://h/(x$|x\?|a.tar.gz/b|a%2e)|\.TAR\.GZ|flakehub.*0\.1$"),
    # 2.18: escapes are decoded; 2.32: after the path is split
    Difference((2, 17), "refuses", r"^github:o/r/a%2Fb|nix%70kgs|^git\+https://h/x\?rev=\w{64}"),
    Difference((2, 17), "differs", r"^(github|gitlab):.*\w(%2F|%2f|%20|%25)\w+/|^github:o%2Fx|^path:.*%20|foo=a%26b"),
    Difference((2, 31), "differs", r"^(github|gitlab):\w%2[Ff]\w/|^git\+(https://h|file://)/a%2Fb", (2, 18)),
    # the host part, and doubled slashes, as written
    Difference((2, 31), "differs", r"^git\+https://(u:p:q@|h%41)|^git\+ssh://git@h:/", (2, 18)),
    Difference((2, 31), "differs", r"^(path:)?/?a//b", (2, 18)),
    Difference((2, 31), "accepts", r"^path:/a%2Fb|^[^?]*\"b$"),
    Difference((2, 31), "refuses", r"=a?\[|^git\+(git|ftp)"),
    Difference((2, 31), "accepts", r"^git(\+https|\+ssh)?:(h/x|/x|//git@h:(o|0|9+)/)"),
    # a path's query and characters
    Difference((2, 18), "refuses", r"^/(|a b|a%20b|ä|a:b|a//b)$"),
    Difference((2, 18), "differs", r"^/a(\?dir=|\?rev=|/\./b|/b/)"),
    Difference((2, 18), "accepts", r"^/a\?foo"),
]  # fmt: skip


def difference(version: tuple[int, int], text: str) -> Difference | None:
    """Return the known difference of a version on a reference; None: it reads it canonically."""
    for each in DIFFERENCES:
        if each.since <= version <= (each.until or version) and re.search(each.pattern, text):
            return each
    return None


CROSSED = [*FORGES, *GIT, *TARBALLS]
UNDERSTOOD = list(dict.fromkeys([*CROSSED, *OTHERS, *ODD]))
