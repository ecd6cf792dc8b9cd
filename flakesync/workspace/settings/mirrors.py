"""`[mirrors]` and `[sources]`: where repositories and archives are asked for in place of their own servers.

A mirror changes who is asked, and nothing else: locks, reports and identities keep the canonical address. What a mirror
leads to is not looked up again, so that no address can lead in a circle.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.gitenv import Settings
from flakesync.nix.reference.flakeref import FORGE_HOSTS, FlakeRef
from flakesync.nix.reference.identity import Identity, identity_of, split_url
from flakesync.nix.reference.source import ARCHIVES
from flakesync.patterns import pattern
from flakesync.workspace import references, values
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad

_FORGE_PREFIX = pattern(rf"({'|'.join(FORGE_HOSTS)}):((?:[A-Za-z0-9._-]+/)+)")
_URL_PREFIX = pattern(r"(?:git\+)?(https?|ssh|git)://([^/?#]+)/(?:[^?#]*/)?")
_TARGET = pattern(r"(?:git\+)?((?:https?|ssh|git)://[^/?#]+/[^?#]*|file:///[^?#]*)")
_ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".zip")
_NOT_IN_LISTS = pattern(r"[\s?#%&]")
_PLACE = "the address of a repository, or how addresses begin, up to a `/`"


class Rule(NamedTuple):
    """One line of `[mirrors]`.

    source: as it is written. identity: the one repository that is meant; None: all whose address begins with `host` and
    `path`, which ends in a slash or is empty. target: where they are asked for, as git and curl take it.
    """

    source: str
    identity: Identity | None
    host: str
    path: str
    target: str

    @property
    def is_of_git(self) -> bool:
        """Whether one repository is meant, and no archive."""
        return self.identity is not None and not self.source.partition("?")[0].endswith(_ARCHIVE_ENDINGS)


class Mirrors(msgspec.Struct, frozen=True):
    """Where repositories and archives are asked for; the default is at their own address."""

    rules: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.rules)

    def of(self, url: str) -> str | None:
        """Return the address that is asked in place of `url`, in any spelling that git takes; None: `url` itself is.

        A line for one repository counts before prefixes, and the longest prefix before all others.
        """
        identity = identity_of({"type": "git", "url": url}) if self.rules else None
        if identity is None or not identity.host:
            return None
        found = self._rule(identity)
        if found is None or found.identity is not None:
            return found.target if found is not None else None
        return found.target + quote(_path(url)[len(found.path) :], safe="/~+@:")

    def of_archive(self, url: str) -> str | None:
        """Return the address that an archive or a file is downloaded from in place of `url`; None: `url` itself is."""
        one = next((rule for rule in self.rules if rule.source == url), None)
        if one is not None:
            return one.target
        host, path = _web_place(url)
        found = max(
            (rule for rule in self.rules if rule.identity is None and rule.host == host and path.startswith(rule.path)),
            key=lambda rule: len(rule.path),
            default=None,
        )
        if found is None or not found.target.startswith(("https:", "http:")):
            return None
        return found.target + url.split("://", 1)[1].partition("/")[2][len(found.path) :]

    def canonical(self, url: str) -> str:
        """Return the address that an archive at a mirror stands for; of all others their own."""
        one = next((rule for rule in self.rules if rule.identity is not None and rule.target == url), None)
        if one is not None:
            return one.source
        found = max(
            (rule for rule in self.rules if rule.identity is None and url.startswith(rule.target)),
            key=lambda rule: len(rule.target),
            default=None,
        )
        if found is None:
            return url
        begins = found.source if found.source.startswith("http") else f"https://{found.host}/{found.path}"
        return f"{begins}{url[len(found.target) :]}"

    def has(self, identity: Identity) -> bool:
        """Tell whether a repository is asked for at a mirror."""
        return self._rule(identity) is not None

    def rewrites(self, urls: Iterable[str]) -> Settings:
        """Return the settings by which any git asks the mirrors. urls: addresses that it may be told to fetch from.

        git compares how an address begins, without regard to where a name ends: so each address that is known and has
        no mirror is led to itself.
        """
        found: dict[str, str] = {}
        for rule in self.rules:
            found |= dict.fromkeys(_spellings(rule), rule.target)
        for url in urls if self.rules else ():
            plain = url.removeprefix("git+")
            asked = self.of(plain)
            if asked is not None or any(plain.startswith(each) for each in found):
                found[plain] = asked if asked is not None else plain
        return tuple((f"url.{target}.insteadOf", begins) for begins, target in found.items())

    @property
    def targets(self) -> Sequence[str]:
        """What is asked, each once."""
        return tuple(dict.fromkeys(rule.target for rule in self.rules))

    def _rule(self, identity: Identity) -> Rule | None:
        begins = [
            rule
            for rule in self.rules
            if rule.identity == identity
            or (rule.identity is None and rule.host == identity.host and _begins(identity, rule))
        ]
        return max(begins, key=lambda rule: (rule.identity is not None, len(rule.path)), default=None)


def read_mirrors(table: Table) -> Mirrors:
    """Return what `[mirrors]` says, and note what is wrong with it."""
    rules: list[Rule] = []
    for source in table.names():
        rule = table.take(source, partial(_rule_of, source), None)
        if rule is not None:
            same = next((each for each in rules if _meant(each) == _meant(rule)), None)
            if same is not None:
                table.wrong(source, bad(f"means the same as `{same.source}`", "keep one of them"))
            rules.append(rule)
    mirrors = Mirrors(tuple(rules))
    for rule in rules:
        if mirrors.of(rule.target) is not None or mirrors.of(f"{rule.target}x/x") is not None:
            hint = "a mirror's address is asked as it is, and never looked up again"
            table.wrong(rule.source, bad(f"`{rule.target}` has a mirror itself", hint))
    return mirrors


def _meant(rule: Rule) -> tuple[str, str]:
    return rule.identity if rule.identity is not None else (rule.host, rule.path)


def _rule_of(source: str, value: object) -> Rule:
    prefix = source.endswith("/")
    target = _target(value, prefix=prefix)
    if not prefix:
        identity = references.alias(source)
        reference = _parsed(source)
        if reference is not None and (reference.ref or reference.rev or reference.dir):
            raise bad(f"`{source}` names a branch, a commit or a folder", "a mirror is of a repository with all it has")
        if not identity.host:
            raise bad(f"`{source}` is on this machine", f"write {_PLACE}")
        written = _path((reference.git_url() if reference is not None else None) or source).removesuffix(".git")
        return Rule(source, identity, identity.host, written, target)
    found = _FORGE_PREFIX.fullmatch(source)
    if found is not None:
        return Rule(source, None, FORGE_HOSTS[found[1]], found[2], target)
    place = split_url(f"{source}x") if _URL_PREFIX.fullmatch(source) is not None else None
    if place is None:
        raise bad(f"`{source}` is not how an address begins", f"write {_PLACE}")
    references.alias(f"{source}x/x")  # refuses what holds a password
    return Rule(source, None, place[0], place[1].removesuffix("x"), target)


def _parsed(source: str) -> FlakeRef | None:
    """Return a reference of a repository; None: it is an archive, or git's own spelling."""
    try:
        reference = FlakeRef.parse(source)
    except FlakeRefError:
        return None
    return reference if reference.type not in ARCHIVES else None


def _target(value: object, *, prefix: bool) -> str:
    """Return an address as git takes it. Raises ManifestError."""
    word = values.text(value)
    references.alias(f"{word}x/x" if word.endswith("/") else word)  # refuses what holds a password
    reference = _parsed(word) if word.startswith(tuple(f"{forge}:" for forge in FORGE_HOSTS)) else None
    found = _TARGET.fullmatch((reference.git_url() if reference is not None else None) or word)
    if found is None:
        raise bad(f"`{word}` is no address that can be asked", "such as `git+https://git.example.com/mirror/nixpkgs`")
    if prefix != found[1].endswith("/"):
        raise bad(
            f"`{word}` {'does not end' if prefix else 'ends'} in a `/`",
            "how addresses begin is replaced by another beginning, both with a `/`, and one repository by another one",
        )
    return found[1]


def read_sources(table: Table, root: Path) -> Path | None:
    """Return the folder of `cache`, which need not be there yet; None: there is none. root: the manifest's folder."""

    def folder(value: object) -> Path:
        path = root / values.text(value)
        if _NOT_IN_LISTS.search(os.path.normpath(path)):
            raise bad(
                f"`{path}` has a character that Nix does not take in the address of a cache",
                "no blank, `?`, `#`, `%` and `&`",
            )
        if path.exists() and not path.is_dir():
            raise bad(f"`{value}` is a file", "name a folder: new sources are put into it as a binary cache of Nix")
        return Path(os.path.normpath(path))

    return table.take("cache", folder, None)


def _begins(identity: Identity, rule: Rule) -> bool:
    path = rule.path.lower() if identity.host == "github.com" else rule.path
    return f"{identity.path}/".startswith(path) and len(identity.path) > len(path)


def _path(url: str) -> str:
    """Return the decoded path of a git address as it is written: its letters are not changed, unlike an identity's."""
    place = split_url(url if "://" in url else f"ssh://{url.replace(':', '/', 1)}")
    return place[1] if place is not None else ""


def _web_place(url: str) -> tuple[str, str]:
    if not url.startswith(("https://", "http://")):
        return "", ""
    place = split_url(url)
    return (place[0], urlsplit(url).path.lstrip("/")) if place is not None else ("", "")


def _spellings(rule: Rule) -> Iterator[str]:
    """Give how the addresses begin that a rule is for; of one repository only those that no other's begins with."""
    place = f"{rule.host}/{rule.path}" + (".git" if rule.identity is not None else "")
    yield from (f"https://{place}", f"ssh://git@{place}", f"ssh://{place}")
    name, _, path = place.partition("/")
    if ":" not in name:
        yield f"git@{name}:{path}"
    written = rule.source.removeprefix("git+")
    if rule.identity is None and "://" in written:
        yield written
