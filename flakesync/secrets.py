"""Logins and tokens, in addresses and of the environment, taken out of what is shown.

Every pattern here looks at each character a bounded number of times: what it is given comes from servers and tools.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from flakesync.patterns import pattern

_AUTHORITY = pattern(r'//([^/\s"]++)')
_QUERY = pattern(r"([?&])([^?=&\s]*+)=[^&\s'\"]++")
# Some name a secret wherever they stand (`X-Amz-Signature`), others as a word of their own (`x-ms-sig`, not `design`).
_SECRET = pattern(
    r"token|secret|passw|passphrase|key|signature|credential|authoriz|^code$"
    r"|(?:^|[^a-z0-9])(?:o?auth(?!or)|(?:sig|pass|pwd|pat|jwt|sas|hmac|bearer|session(?:id)?|sid|otp)(?![a-z0-9]))",
    re.IGNORECASE,
)
_SECRET_NAME = pattern(r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|PRIVATE_KEY", re.IGNORECASE)
"""Variables of the environment whose values are secrets."""
_OPEN = pattern(r"public|keytype", re.IGNORECASE)
# There a name alone may be a token; in `ssh://git@host` it is the name of an account.
_NAME_IS_SECRET = ("http:", "https:", "git:", "ftp:", "ftps:")
_LONGEST_SCHEME = max(map(len, _NAME_IS_SECRET))


def hide_secrets(text: str, *, instead: str = "") -> str:
    """Return `text` without the passwords and tokens in its addresses.

    instead: what stands where a login stood; empty: nothing, or the name of an account that is no secret.
    """
    if "//" not in text and "?" not in text:
        return text
    # The scheme is looked at from here and not matched: a pattern that began with it would begin at every letter.
    text = _AUTHORITY.sub(lambda found: _without_login(found, instead), text)
    return _QUERY.sub(lambda found: _without_token(found, instead or "…"), text)


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the values in `environ` that must never be shown: tokens by their name, and those in NIX_CONFIG."""
    found = {value for name, value in environ.items() if _SECRET_NAME.search(name)}
    for tokens in re.findall(r"^\s*(?:extra-)?access-tokens\s*=(.*)$", environ.get("NIX_CONFIG", ""), re.MULTILINE):
        for pair in tokens.split():
            token = pair.partition("=")[2]
            # `host=PAT:secret` and `host=OAuth2:secret` for GitLab
            found.update((token, token.partition(":")[2]))
    # Shorter ones are flags such as `1`; blotting them out would hide whole messages and protect nothing.
    return frozenset(secret for secret in found if len(secret) >= 8)


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """Return `text` with known secrets, and passwords in URLs, blotted out."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return hide_secrets(text, instead="***")


def secret_parameters(address: str) -> list[str]:
    """Return the names of the parameters of an address that hold secrets (`private_token`, `X-Amz-Signature`)."""
    return [name for _, name in _QUERY.findall(address) if _is_secret(name)]


def _is_secret(name: str) -> bool:
    name = unquote(name) if "%" in name else name
    return _SECRET.search(name) is not None and _OPEN.match(name) is None


def _without_login(found: re.Match[str], instead: str) -> str:
    who, at, place = found[1].rpartition("@")
    if not at or not who.strip("*"):  # none, or blotted out before
        return found[0]
    scheme = found.string[max(0, found.start() - _LONGEST_SCHEME) : found.start()].lower()
    name, colon, _ = who.partition(":")
    hidden = scheme.endswith(_NAME_IS_SECRET)
    if instead and (hidden or colon):
        name = instead
    elif hidden:
        name = ""
    return f"//{name}@{place}" if name else f"//{place}"


def _without_token(found: re.Match[str], instead: str) -> str:
    name = found[2]
    return f"{found[1]}{name}={instead}" if _is_secret(name) else found[0]
