"""The keys that each table of workspace.toml may have: what the manifest's reader knows, and what its schema says.

A key that is not here is unknown to the reader. The JSON Schema of a value is never stricter than the reader, which
alone knows the whole truth.
"""

from collections.abc import Mapping
from typing import NamedTuple, get_args

from flakesync.net.forge_kinds import KINDS
from flakesync.workspace import values
from flakesync.workspace.audit import OF_IGNORES, RuleId, Severity, Threshold
from flakesync.workspace.model import External, MergeMethod, Propagate, Read
from flakesync.workspace.settings.cooldown import COOLDOWN_PATTERN, LONGEST_TEXT, Evidence
from flakesync.workspace.settings.follow import NIX_VERSION, Follow, FollowMatch
from flakesync.workspace.settings.on_failure import FailureMode

Json = Mapping[str, object]

MESSAGE_PLACEHOLDERS = ("summary", "pin", "repo")
"""What may stand in braces in `message`."""

TITLE_PLACEHOLDERS = ("pin", "old", "new", "date", "repo")
"""What may stand in braces in a `title`."""

TARGETS = ("latest", "newest-locked")


class Key(NamedTuple):
    """One key.

    says: what it is, in a phrase. schema: the JSON Schema of its value. default: the value that a manifest without the
    key has, None where no value says it; otherwise: what holds then, in words, empty where there is nothing to say.
    """

    says: str
    schema: Json
    default: object = None
    otherwise: str = ""


_TEXT: Json = {"type": "string", "minLength": 1}
_FLAG: Json = {"type": "boolean"}
_NAME: Json = {"type": "string", "pattern": f"^{values.NAME.pattern}$"}


def _choice(kind: object) -> Json:
    return {"enum": list(get_args(kind))}


def _array(of: Json, *, least: int = 0, differ: bool = True) -> Json:
    found: dict[str, object] = {"type": "array", "items": of}
    if least:
        found["minItems"] = least
    if differ:
        found["uniqueItems"] = True
    return found


_BASE = Key("the branch that updates start from and are merged into", _TEXT, otherwise="each repo's own default branch")
_PROPAGATE = Key(
    "whether a commit that changes nothing but locks moves those that take the repo only where it reaches their locks",
    _choice(Propagate),
    "content",
)
_KEEP = Key(
    "globs on the paths of inputs that have a copy of their own on purpose: they follow no pin", _array(_TEXT), []
)
_FOLLOW = Key(
    "what becomes of a follows that is missing: report it, let sync write it, or off", _choice(Follow), "report"
)

_AFTER: Json = {
    "type": "object",
    "properties": {"run": {"type": ["string", "array"], "items": {"type": "string"}}, "files": _array(_TEXT, least=1)},
    "required": ["run", "files"],
    "additionalProperties": False,
}
_COOLDOWN = Key(
    "how many days a commit has to have been on its branch before inputs move to it: 3d, 2w, 0",
    {"type": "string", "pattern": COOLDOWN_PATTERN},
    "0",
)
_DATED_BY = Key(
    "whose word on the age of a commit counts; trusted: not the date in the commit", _choice(Evidence), "any"
)
_OF_WORKSPACE = "that of [workspace]"

WORKSPACE: Mapping[str, Key] = {
    "name": Key("the workspace's name, shown in reports", _TEXT, otherwise="that of the manifest's folder"),
    "base": _BASE,
    "branch": Key("the update branch that flakesync writes in every repo", _TEXT, "flakesync/update"),
    "jobs": Key(
        "how many repos are worked on at once",
        {"type": "integer", "minimum": 1},
        otherwise="the number of processors",
    ),
    "external": Key(
        "what becomes of inputs that are neither pinned nor repos of the workspace", _choice(External), "hold"
    ),
    "read": Key("whose branches of a clone count: those of its server, or your own", _choice(Read), "server"),
    "propagate": _PROPAGATE,
    "author": Key(
        "author and committer of the update commits: Name <mail>",
        {"type": "string", "pattern": f"^{values.AUTHOR.pattern}$"},
        otherwise="the identity that git is configured with",
    ),
    "message": Key(
        "the first line of the update commits, a template: " + " ".join(f"{{{name}}}" for name in MESSAGE_PLACEHOLDERS),
        _TEXT,
        otherwise="flake.lock: Update",
    ),
    "sign-off": Key("whether the author signs the update commits off", _FLAG, default=False),
    "cooldown": _COOLDOWN,
    "dated-by": _DATED_BY,
    "seen": Key(
        "the file that remembers when which tip was first seen, relative to the manifest",
        _TEXT,
        otherwise="one in the cache directory",
    ),
    "nix-min": Key(
        "the oldest Nix that reads these flakes: 2.26",
        {"type": "string", "pattern": f"^{NIX_VERSION.pattern}$"},
        "2.8",
    ),
    "release": Key("what stands for {release} in the sources of pins: 26.05", _TEXT),
    "replaces": Key("earlier releases: sync moves inputs that still name them on to this one", _array(_TEXT), []),
}

POLICY: Mapping[str, Key] = {
    "cooldown": _COOLDOWN._replace(default=None, otherwise=_OF_WORKSPACE),
    "tips": Key(
        "whether only commits count that were the tip of the branch",
        _FLAG,
        otherwise="true for NixOS/nixpkgs and for archives, else false",
    ),
    "require-ci": Key(
        "which checks must have passed: true for all of them, or globs on their names",
        {"anyOf": [_FLAG, _array({**_TEXT, "maxLength": LONGEST_TEXT}, least=1)]},
        default=False,
    ),
    "ci-depth": Key("of how many commits the checks are asked for", {"type": "integer", "minimum": 1}, 20),
    "dated-by": _DATED_BY._replace(default=None, otherwise=_OF_WORKSPACE),
}

PIN: Mapping[str, Key] = {
    "source": Key("what is pinned, with its branch: a flake reference such as github:NixOS/nixpkgs/nixos-25.11", _TEXT),
    "target": Key(
        "the rev that governed inputs are to be at: latest, newest-locked, repo:NAME or a full rev",
        {"type": "string", "pattern": rf"^(?:{'|'.join(TARGETS)}|repo:.+|[0-9a-f]{{40}}(?:[0-9a-f]{{24}})?)$"},
        "latest",
    ),
    "max-age": Key(
        "drift reports locked revs that are older: 90m, 12h, 30d, 2w",
        {"type": "string", "pattern": f"^{values.DURATION.pattern}$"},
        otherwise="no age is reported",
    ),
    "inputs": Key(
        "globs on the paths of the inputs that it governs",
        _array(_TEXT, least=1),
        otherwise="every root input of the same repository and ref",
    ),
    **POLICY,
    "at-least": Key(
        "a commit that has to be in, however young what has it is",
        {"type": "string", "pattern": "^[0-9a-f]{40}(?:[0-9a-f]{24})?$"},
    ),
    "at-least-reason": Key("why it has to be in, for the pull request", {**_TEXT, "maxLength": LONGEST_TEXT}),
    "follow": _FOLLOW,
    "follow-match": Key(
        "which copies of its repository may follow it: of the same ref, or any", _choice(FollowMatch), "same-ref"
    ),
    "keep": _KEEP,
    "stand-ins": Key("other sources that may follow it: github:nix-community/nixpkgs.lib", _array(_TEXT), []),
    "replaces": Key(
        "earlier branches of its source: sync moves inputs that still name them on to it", _array(_TEXT), []
    ),
}

SHARED: Mapping[str, Key] = {
    "base": _BASE,
    "flakes": Key(
        "folders with a flake.nix and a flake.lock, relative to the top of the repo", _array(_TEXT, least=1), ["."]
    ),
    "groups": Key("names for --group", _array(_NAME), []),
    "hold": Key("globs on the paths of inputs that are never moved", _array(_TEXT), []),
    "checks": Key(
        "commands that run in the bumped worktree; one that fails makes the repo fail",
        _array(_TEXT, differ=False),
        [],
    ),
    "after": Key(
        "commands that run on the new lock, before the checks; the files that they may change enter the update commit",
        _array(_AFTER, differ=False),
        [],
    ),
    "propagate": _PROPAGATE._replace(default=None, otherwise=_OF_WORKSPACE),
    "keep": _KEEP,
    "follow": _FOLLOW._replace(default=None, otherwise="as each pin says"),
    "on-failure": Key(
        "what becomes of a repo whose checks fail; bisect: what breaks them is held", _choice(FailureMode), "fail"
    ),
    "bisect-limit": Key(
        "how long it may take to find out what to hold",
        {"type": "string", "pattern": f"^{values.DURATION.pattern}$"},
        "2h",
    ),
    "max-checks": Key("how many checks may be run to find out what to hold", {"type": "integer", "minimum": 1}, 12),
}

REPO: Mapping[str, Key] = {
    **SHARED,
    "url": Key("where others get the repository from: a flake reference without a ref", _TEXT),
    "path": Key(
        "a local clone, relative to the folder of the manifest", _TEXT, otherwise="the repo is mirrored in the cache"
    ),
    "aliases": Key("other addresses of the same repository", _array(_TEXT), []),
}

FORGE: Mapping[str, Key] = {
    "kind": Key(
        "which API the host speaks",
        {"enum": list(KINDS)},
        otherwise="of a known host its own; any other has to have it",
    ),
    "api": Key(
        "the address of the API, where it is not at its usual place", _TEXT, otherwise="the usual place of its kind"
    ),
    "token-env": Key(
        "the environment variable that holds the token",
        {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        otherwise="the usual ones of its kind",
    ),
    "ca-file": Key(
        "the certificates of the authority that signed the host's, in PEM",
        _TEXT,
        otherwise="the authorities of the system, or those of SSL_CERT_FILE",
    ),
}

PUBLISH: Mapping[str, Key] = {
    "labels": Key("labels that every pull request gets", _array(_TEXT), []),
    "draft": Key("whether pull requests are opened as drafts", _FLAG, default=False),
    "reviewers": Key("users and teams (org/team) that are asked for a review", _array(_TEXT), []),
    "merge-method": Key("how pull requests are merged", _choice(MergeMethod), "default"),
    "title": Key(
        "the title of every pull request, a template: " + " ".join(f"{{{name}}}" for name in TITLE_PLACEHOLDERS),
        _TEXT,
        otherwise="flake.lock: update {pin} to {new}",
    ),
    "limit": Key(
        "how many pull requests a run of publish opens at most", {"type": "integer", "minimum": 1}, otherwise="all"
    ),
}

MIRROR = Key(
    "where the repository of this address is asked for, or, where both end in `/`, all whose address begins so", _TEXT
)

SOURCES: Mapping[str, Key] = {
    "cache": Key(
        "the folder of a binary cache that new sources are put into, and that Nix takes them from; relative to the "
        "manifest",
        _TEXT,
    ),
}

_DAY: Json = {
    "not": {"type": ["number", "boolean", "array", "null"]},
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
}
"""JSON has no dates: one of TOML is text for some tools, and something of its own for others."""
_SOURCES = _array({**_TEXT, "maxLength": values.LONGEST_GLOB})

HOLD: Mapping[str, Key] = {
    "repo": Key("the repo whose input it is", _NAME),
    "input": Key("a glob on the paths of its inputs; of one flake of the repo alone: dev#nixpkgs", _TEXT),
    "until": Key("the last day (UTC) on which it is not moved", _DAY),
    "reason": Key("why it is not moved", _TEXT),
}

AUDIT: Mapping[str, Key] = {
    "fail-on": Key("from which severity on a finding makes the exit status 1", _choice(Threshold), "high"),
    "gate": Key(
        "from which severity on sync, publish and land refuse an update that adds a finding",
        _choice(Threshold),
        "high",
    ),
    "allow": Key("globs on sources (github:acme/*): nothing else may be locked", _SOURCES, otherwise="everything"),
    "require-signed": Key("globs on sources whose commits have to be signed by an allowed signer", _SOURCES, []),
    "allowed-signers": Key("a file as ssh-keygen(1) describes it, relative to the manifest", _TEXT),
    "severity": Key(
        "other severities of rules than their own; off: it is not asked",
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"enum": [*get_args(Severity), "off"]} for name in get_args(RuleId)},
        },
        otherwise="each rule's own",
    ),
    "end-of-life": Key(
        "the last day of releases of nixpkgs that have another than the usual one",
        {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {r"^[0-9]{2}\.[0-9]{2}$": _DAY},
        },
        otherwise="31 December for YY.05, 30 June of the next year for YY.11",
    ),
    "ignore": Key("findings that are known and may stay", {"type": "array", "items": {"type": "object"}}, []),
}

IGNORE: Mapping[str, Key] = {
    "rule": Key("what is ignored", {"enum": [each for each in get_args(RuleId) if each not in OF_IGNORES]}),
    "repo": Key("a glob on the names of repos", _TEXT, otherwise="every repo"),
    "flake": Key("the folder of a flake, as `flakes` names it", _TEXT, otherwise="every flake"),
    "input": Key("a glob on input paths", _TEXT, otherwise="every input"),
    "reason": Key("why it may stay", _TEXT),
    "until": Key("the last day (UTC) on which it is ignored; required for high severity", _DAY, otherwise="for ever"),
    "locked": Key(
        "only while the input is locked to this repository, a flake reference without a rev",
        _TEXT,
        otherwise="whatever is locked",
    ),
}
