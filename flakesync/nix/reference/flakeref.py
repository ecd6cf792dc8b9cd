"""Flake references: the URL form, the attribute form, and what can be asked of one.

Mirrors `FlakeRef` of Nix 2.34 (`src/libflake/flakeref.cc` and the input schemes in `src/libfetchers`); where versions
differ, the attributes are the modern ones. Nix 2.8 differs in this:

- a `dir` stays in a git or tarball `url` too, and URLs are kept as they were written (`from_attrs` mends both);
- `exportIgnore`, `allRefs`, `lfs`, `verifyCommit`, and a tarball's `rev` stay in the `url` instead of being attributes;
- a URL without a tarball's file ending, `tarball+`, `file+`, a dash in a `host`, `@` and `+` in a ref are refused;
- escapes in `path:` and in `gitlab:a%2Fb/c` are not decoded.

What Nix accepts here and refuses as soon as it fetches is refused at once: a `rev` that is no hash, a network URL
without a host, a transport that git does not know, `x.y` where `./x.y` is meant.
"""

import re
from collections.abc import Mapping
from functools import cached_property

import msgspec

from flakesync.errors import FlakeRefError
from flakesync.nix.reference.identity import Identity, identity_of
from flakesync.nix.reference.input_schemes import Attr, checked, parse_attrs, unparse
from flakesync.secrets import hide_secrets
from flakesync.terms import Rev

__all__ = [
    "FORGE_HOSTS",
    "Attr",
    "FlakeRef",
    "Identity",
    "identity_of",
    "identity_of_glob",
    "identity_of_url",
    "is_full_rev",
]

_FULL_REV = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
FORGE_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
"""Where the sources of each type lie that name no host."""
_LONGEST = 1 << 15
"""How long a reference may be, and each of its attributes: far more than any server takes for an address."""
_SHOWN = 300
# Facts about one commit, wrong for any other.
_OF_ONE_COMMIT = {"rev", "ref", "narHash", "lastModified", "revCount", "dirtyRev", "dirtyShortRev", "treeHash"}


def is_full_rev(text: str) -> bool:
    """Say whether `text` is a full commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""
    return _FULL_REV.fullmatch(text) is not None


class FlakeRef(msgspec.Struct, frozen=True, dict=True):
    """A flake reference; two are equal when their type and all attributes are, as in Nix.

    type: github, gitlab, sourcehut, git, hg, path, tarball, file or indirect. attrs: canonical, without `type`.
    """

    type: str
    attrs: Mapping[str, Attr]

    @classmethod
    def parse(cls, text: str, *, flake: bool = True) -> "FlakeRef":
        """Return the reference that a URL-like `text` means.

        flake: False for an input with `flake = false`, where `https://host/x` is a file instead of a tarball.
        Relative paths are taken (`./x`), as in the inputs of a flake. Raises FlakeRefError (`flake-ref`).
        """
        try:
            _check_length(text)
            attrs = parse_attrs(text, flake=flake)
        except ValueError as error:
            raise _refused(text, error) from None
        return cls(str(attrs.pop("type")), attrs)

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, object]) -> "FlakeRef":
        """Return the reference of an attribute set (`type` included), as in flake.nix or `original` of a lock.

        Raises FlakeRefError (`flake-ref`) for an unknown type or attribute, or a value of the wrong type.
        """
        try:
            for value in attrs.values():
                _check_length(value)
            canonical = checked(attrs)
        except ValueError as error:
            raise _refused(str(attrs.get("url") or dict(attrs)), error) from None
        return cls(str(canonical.pop("type")), canonical)

    def to_attrs(self) -> dict[str, Attr]:
        """Return the attribute set, `type` included."""
        return {"type": self.type, **self.attrs}

    def to_url(self) -> str:
        """Return a URL that `parse` reads back.

        Attributes that no URL can carry (`lastModified` of github, `narHash`, `revCount` of git) are left out, as Nix
        does. A gitlab subgroup `a%2Fb` comes as `a%252Fb`, which Nix up to 2.17 does not understand.
        """
        return unparse(self.to_attrs())

    def __str__(self) -> str:
        """Return the URL for people: credentials left out."""
        return hide_secrets(self.to_url())

    def __hash__(self) -> int:
        """Return a hash that goes with equality."""
        return hash((self.type, frozenset(self.attrs.items())))

    @property
    def ref(self) -> str | None:
        """The branch or tag that is named; None: the repository's default branch, or a rev alone."""
        return self._text("ref")

    @property
    def rev(self) -> Rev | None:
        """The full commit id that is named, in lower case; None: not pinned."""
        rev = self._text("rev")
        return None if rev is None else Rev(rev)

    @property
    def dir(self) -> str | None:
        """The folder of the flake in its source; None: the top."""
        return self._text("dir")

    @cached_property
    def identity(self) -> Identity | None:
        """The repository that is meant, whatever the spelling; None: indirect, or a relative path."""
        return identity_of(self.to_attrs())

    def at(self, rev: Rev, ref: str | None = None) -> "FlakeRef":
        """Return the same source fixed at a commit.

        ref: the branch to fetch it from, for git (Nix up to 2.28.4 finds a commit only on the branch that is named);
        github and its like take a rev alone. All other attributes that matter for fetching stay.
        Raises FlakeRefError (`no-rev`) for a source that has no commits: a path, a tarball, a file.
        """
        if self.type in {"path", "tarball", "file"}:
            raise FlakeRefError("no-rev", f"{self} has no commits to choose from", hint="use a git or forge reference")
        kept = {key: value for key, value in self.attrs.items() if key not in _OF_ONE_COMMIT}
        if ref is not None and self.type not in FORGE_HOSTS:
            kept["ref"] = ref
        return FlakeRef.from_attrs({"type": self.type, **kept, "rev": rev})

    def git_url(self) -> str | None:
        """Return the URL that git fetches this from; None: not a git repository (path, tarball, file, hg, indirect)."""
        if self.type == "git":
            return self._text("url")
        if self.type not in FORGE_HOSTS:
            return None
        host = self._text("host") or FORGE_HOSTS[self.type]
        owner, repo = str(self.attrs["owner"]), str(self.attrs["repo"])
        if self.type == "gitlab":
            owner = owner.replace("%2F", "/").replace("%2f", "/")
        return f"https://{host}/{owner}/{repo}{'.git' if self.type == 'gitlab' else ''}"

    def _text(self, key: str) -> str | None:
        value = self.attrs.get(key)
        return value if isinstance(value, str) else None


def identity_of_url(url: str) -> Identity | None:
    """Return the repository that any spelling means; never raises.

    Takes flake references, the URLs and scp forms (`git@host:owner/repo.git`) that git takes, a web address of a
    repository, and local absolute paths. None: indirect, relative, or not understood.
    """
    try:
        return FlakeRef.parse(url).identity
    except FlakeRefError:
        # `host:path` is what git takes for ssh, but a mistyped `githb:o/r` looks the same: a host has a dot or a user.
        if re.match(r"[^:/@.]*:(?!//)", url):
            return None
        return identity_of({"type": "git", "url": url})


def identity_of_glob(glob: str) -> Identity | None:
    """Return the repositories that a reference with stars means, as an identity with stars; None: it means none.

    `github:acme/*`, `git+ssh://git@host/group/*`; `github:*` is the whole forge. Never raises.
    """
    # A reference has to have an owner and a name.
    whole = f"{glob}/*" if glob.endswith(":*") else glob
    try:
        return FlakeRef.parse(whole).identity
    except FlakeRefError:
        return None


def _check_length(value: object) -> None:
    if isinstance(value, str) and len(value) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _refused(text: str, error: ValueError) -> FlakeRefError:
    text, reason = _short(text), _short(str(error))
    hint = None
    if re.match(r"ssh://", text):
        hint = f"write git+{hide_secrets(text)}"
    elif found := re.fullmatch(r"([^/:\s]+@[^/:\s]+):([^\s]+)", text):
        hint = f"write git+ssh://{found[1]}/{found[2]}"
    elif re.match(r"[a-z]*[A-Z][A-Za-z]*:", text):
        hint = "the scheme is written in lower case"
    return FlakeRefError("flake-ref", f"{hide_secrets(text)!r} is not a flake reference: {reason}", hint=hint)
