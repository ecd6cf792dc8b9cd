"""Flake references in workspace.toml, and the reference that stands for a clone's git URL."""

import os
import re
from urllib.parse import quote, unquote

from flakesync.errors import FlakesyncError, without_controls
from flakesync.nix.reference.flakeref import FlakeRef, Identity, identity_of_glob, identity_of_url
from flakesync.nix.reference.source_globs import EVERYTHING
from flakesync.nix.reference.url import file_url
from flakesync.patterns import pattern
from flakesync.secrets import hide_secrets, secret_parameters
from flakesync.workspace.values import LONGEST_GLOB, bad, text

_CLONABLE = frozenset({"github", "gitlab", "sourcehut", "git"})
_PASSWORD = pattern(r"//[^/:@\s]*+:[^/@\s]*+@")
_TOKEN_AS_NAME = pattern(r"\bhttps?://[^/:@\s]{20,}@", re.IGNORECASE)
_URL = pattern(r"(?:git\+)?(https?|ssh|git)://([^/?#]*)(/[^?#]*)?", re.IGNORECASE)
_FILE_URL = pattern(r"(?:git\+)?file://(?:localhost)?(/.*)", re.IGNORECASE | re.DOTALL)
_SCP = pattern(r"([^/:?#\s]+):(?!//|:)([^?#]+)")
_PLAIN_FORGE = pattern(r"(github|gitlab):([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_PLAIN_GIT = pattern(
    r"git\+((?:(?:ssh|https)://(?:git@)?[a-z0-9][a-z0-9.-]*(?::[1-9][0-9]{1,3})?|file://)(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+)"
)
_FORGE_PART = pattern(r"[A-Za-z0-9_.-]+")


def repo_url(value: object) -> FlakeRef:
    """Return a repo's own reference: a git repository that can be cloned, without ref, rev and folder."""
    try:
        ref = _reference(value)
    except FlakesyncError as error:
        raise bad(error.message, _spelling(value) or error.hint) from None
    if ref.type == "path":
        raise bad(f"`{value}` is a folder", f'write it as `path = "{value}"`: `url` is where others get the repo from')
    if ref.type not in _CLONABLE:
        hint = _spelling(value) or "write a `github:`, `gitlab:`, `sourcehut:` or `git+…:` reference"
        raise bad(f"`{value}` ({ref.type}) is not a git repository that can be cloned", hint)
    if ref.rev is not None:
        raise bad(f"`{value}` names a rev", "leave it out: a repo is followed by its branch, `base`")
    if ref.ref is not None:
        branch = ref.ref.removeprefix("refs/heads/")
        raise bad(f"`{value}` names a ref", f'leave it out here, and write `base = "{branch}"`')
    if ref.dir is not None:
        raise bad(f"`{value}` names a folder", f'leave it out here, and write `flakes = ["{ref.dir}"]`')
    return ref


def pin_source(value: object) -> FlakeRef:
    """Return what a pin pins: a reference whose place is known without a registry, without a rev."""
    ref = _reference(value)
    if ref.identity is None:
        hint = "write where it lies, such as `github:NixOS/nixpkgs/nixos-unstable`"
        raise bad(f"`{value}` ({ref.type}) does not say where the source lies", hint)
    if ref.rev is not None:
        raise bad(f"`{value}` names a rev", f'leave it out here, and write `target = "{ref.rev}"`')
    return ref


def stand_in(value: object) -> FlakeRef:
    """Return what may follow a pin's input beside the pin's own source: a reference as `pin_source` takes it."""
    ref = _reference(value)
    if ref.identity is None:
        hint = "write where it lies, such as `github:nix-community/nixpkgs.lib`"
        raise bad(f"`{value}` ({ref.type}) does not say where the source lies", hint)
    if ref.rev is not None:
        raise bad(f"`{value}` names a rev", "leave it out: what names a rev stays at it")
    return ref


def alias(value: object) -> Identity:
    """Return the identity of another address of a repo, in any spelling: a flake reference, a git URL, a folder."""
    word = _without_password(value)
    ref = _plain(word)
    identity = ref.identity if ref is not None else identity_of_url(word)
    if identity is None:
        raise bad(f"`{word}` names no repository", "such as `github:old-owner/lib` or `git@example.org:team/lib.git`")
    return identity


def source_glob(value: object) -> str:
    """Return a glob on sources (`source_globs.covers`): a flake reference with stars, or `*` for all of them."""
    word = text(value)
    if len(word) > LONGEST_GLOB:
        raise bad(f"`{word[:40]}…` is longer than {LONGEST_GLOB} characters")
    if word != EVERYTHING and identity_of_glob(word) is None:
        hint = "a flake reference with stars, such as `github:acme/*` or `git+ssh://git@gitlab.example.com/*`"
        raise bad(f"`{word}` means no repository", hint)
    return word


def flake_url(remote: str) -> str | None:
    """Return the flake reference, without ref, for a git URL as a clone's `origin` has it.

    github.com and gitlab.com become `github:` and `gitlab:` (with subgroups `git+https:`); everything else stays
    `git+ssh:`, `git+https:`, … with its own path. Users and passwords of http URLs are dropped, of ssh the user stays.
    None: nothing that a flake input can be (another transport, a relative folder).
    """
    # git takes all of a path as it is, and of a file: URL all but its escapes: neither has a query.
    if remote.startswith("/"):
        return f"git+{file_url(remote.rstrip('/') or '/')}"
    if found := _FILE_URL.fullmatch(remote):
        path = unquote(found[1].rstrip("/"), errors="surrogateescape")
        return f"git+{file_url(path)}" if path else None
    remote = without_controls(remote).strip()
    if found := _URL.match(remote):
        scheme, authority, path = found[1].lower(), found[2], (found[3] or "").rstrip("/")
    elif found := _SCP.fullmatch(remote):
        scheme, authority, path = "ssh", found[1], "/" + found[2].strip("/")
    else:
        return None
    user, _, host = authority.rpartition("@")
    if not host or authority.startswith("-") or host.startswith("-") or not path.strip("/"):
        return None
    forge = _forge_url(host, path)
    if forge is not None:
        return forge
    user = user.partition(":")[0] if scheme == "ssh" else ""
    place = f"{user}@{host}" if user else host
    path = quote(os.fsencode(unquote(path, errors="surrogateescape")), safe="/~+@:")
    return f"{'git' if scheme == 'git' else f'git+{scheme}'}://{place}{path}"


def _forge_url(host: str, path: str) -> str | None:
    name = re.sub(r":(?:22|80|443|9418)\Z", "", host.lower())
    parts = path.strip("/").removesuffix(".git").split("/")
    if not all(_FORGE_PART.fullmatch(part) for part in parts):
        return None
    if name in ("github.com", "www.github.com", "ssh.github.com") and len(parts) == 2:
        return f"github:{parts[0]}/{parts[1]}"
    if name == "gitlab.com" and len(parts) == 2:
        return f"gitlab:{parts[0]}/{parts[1]}"
    # `gitlab:` with a subgroup is read differently by Nix 2.18 to 2.31: the portable spelling is git's.
    return f"git+https://gitlab.com/{'/'.join(parts)}" if name == "gitlab.com" and len(parts) > 2 else None


def _without_password(value: object) -> str:
    word = text(value)
    hint = "a token comes from its variable (`token-env` in [forges]), else from git's credential helper or ~/.netrc"
    if _PASSWORD.search(word):
        raise bad("carries a password", hint)
    if _TOKEN_AS_NAME.search(word):
        raise bad("carries a name that may be a token", hint)
    if secret := secret_parameters(word):
        raise bad(f"carries a secret, `{secret[0]}`", hint)
    return word


def _reference(value: object) -> FlakeRef:
    word = _without_password(value)
    return _plain(word) or FlakeRef.parse(word)


def _plain(word: str) -> FlakeRef | None:
    """Return what FlakeRef.parse returns for the shapes nearly every repo has, ten times as fast; None: any other."""
    if found := _PLAIN_FORGE.fullmatch(word):
        return FlakeRef(found[1], {"owner": found[2], "repo": found[3]})
    if found := _PLAIN_GIT.fullmatch(word):
        return FlakeRef("git", {"url": found[1]})
    return None


def _spelling(value: object) -> str | None:
    """Return the hint for a git URL that stands where a flake reference is wanted."""
    if not isinstance(value, str) or hide_secrets(value) != value or not re.search(r"://|\A[^/:]+@[^/:]+:", value):
        return None
    reference = flake_url(value)
    return f"write it as `{reference}`" if reference is not None and reference != value else None
