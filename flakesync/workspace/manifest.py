"""workspace.toml → Workspace: read, checked as a whole, every problem reported at once (docs/workspace.md)."""

import os
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, cast, get_args

import msgspec

from flakesync.errors import ManifestError
from flakesync.git.store.objects import store_of
from flakesync.nix.reference.flakeref import FlakeRef, Identity, is_full_rev
from flakesync.terms import FlakeDir, PinName, RepoName
from flakesync.workspace import references, values
from flakesync.workspace.audit import AuditSettings, read_audit
from flakesync.workspace.folders import Folders
from flakesync.workspace.forges import FORGE_KEYS, PUBLISH_KEYS, read_forge, read_publish
from flakesync.workspace.model import External, ForgeSettings, Pin, Propagate, Read, Repo, Workspace, select
from flakesync.workspace.schema.keys import (
    AUDIT,
    HOLD,
    IGNORE,
    MESSAGE_PLACEHOLDERS,
    PIN,
    POLICY,
    REPO,
    SHARED,
    SOURCES,
    TARGETS,
    WORKSPACE,
)
from flakesync.workspace.settings.after import AfterCommand, after_command
from flakesync.workspace.settings.cooldown import Conditions, read_pin_conditions, read_policies, read_usual
from flakesync.workspace.settings.days import today
from flakesync.workspace.settings.follow import OLDEST_NIX, Follow, follow, nix_min, read_rules
from flakesync.workspace.settings.holds import in_force, read_holds
from flakesync.workspace.settings.mirrors import read_mirrors, read_sources
from flakesync.workspace.settings.on_failure import OnFailure, read_on_failure
from flakesync.workspace.settings.release import read_release, read_replaces, read_source, template_of
from flakesync.workspace.table import InvalidManifest, Problem, Table, parse_toml, read_file
from flakesync.workspace.values import bad, did_you_mean, matches

__all__ = [
    "External",
    "InvalidManifest",
    "Pin",
    "Problem",
    "Repo",
    "Workspace",
    "find_manifest",
    "load_workspace",
    "matches",
    "select",
]

MANIFEST = "workspace.toml"
DEFAULT_BRANCH = "flakesync/update"

_TOP_KEYS = frozenset(
    {"workspace", "pins", "defaults", "repos", "forges", "publish", "audit", "external-policy", "hold"}
    | {"mirrors", "sources"}
)
_WORKSPACE_KEYS = frozenset(WORKSPACE)
_PIN_KEYS = frozenset(PIN)
_SHARED_KEYS = frozenset(SHARED)
_REPO_KEYS = frozenset(REPO)
_AUDIT_KEYS = frozenset(AUDIT)
_IGNORE_KEYS = frozenset(IGNORE)
_POLICY_KEYS = frozenset(POLICY)
_HOLD_KEYS = frozenset(HOLD)
_SOURCES_KEYS = frozenset(SOURCES)
_HOMES = {
    "[workspace]": _WORKSPACE_KEYS,
    "[defaults] and [repos.NAME]": _SHARED_KEYS,
    "[repos.NAME]": _REPO_KEYS,
    "[pins.NAME]": _PIN_KEYS,
    '[forges."HOST"]': FORGE_KEYS,
    "[publish]": PUBLISH_KEYS,
    "[audit]": _AUDIT_KEYS,
    "[[audit.ignore]]": _IGNORE_KEYS,
    '[external-policy."GLOB"]': _POLICY_KEYS,
    "[[hold]]": _HOLD_KEYS,
    "[sources]": _SOURCES_KEYS,
}
_EXTERNALS: tuple[str, ...] = get_args(External)
_PROPAGATES: tuple[str, ...] = get_args(Propagate)
_READS: tuple[str, ...] = get_args(Read)


def find_manifest(start: Path) -> Path:
    """Return the nearest workspace.toml in `start` or a folder above it. Raises ManifestError (`no-manifest`)."""
    start = start.resolve()
    for folder in (start, *start.parents):
        file = folder / MANIFEST
        if file.is_file():
            return file
    raise ManifestError(
        "no-manifest",
        f"there is no {MANIFEST} in {start} or in a folder above it",
        hint="`flakesync init` writes one; `-w FILE` names one that lies elsewhere",
    )


def load_workspace(file: Path) -> Workspace:
    """Read and check a manifest.

    Raises ManifestError: `no-manifest` (cannot be read), `manifest-syntax` (not TOML), `manifest` (InvalidManifest,
    with every problem that was found). Reads no repo: of a `path` it only looks whether the folder is there, and
    whether it shares a repository with another one.
    """
    return parse_workspace(file, read_file(file))


def parse_workspace(file: Path, data: bytes) -> Workspace:
    """Return the workspace of a manifest that has this content: relative paths begin where `file` lies.

    Raises ManifestError: what `load_workspace` raises, but no `no-manifest`.
    """
    return _Reader(file).workspace(parse_toml(file, data))


class _Shared(NamedTuple):
    """What a repo gets where it says nothing itself: `[defaults]`, then `base` of `[workspace]`."""

    base: str | None
    flakes: tuple[FlakeDir, ...] = (FlakeDir("."),)
    groups: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    checks: tuple[tuple[str, ...], ...] = ()
    after: tuple[AfterCommand, ...] = ()
    propagate: Propagate = "content"
    keep: tuple[str, ...] = ()
    follow: Follow | None = None
    on_failure: OnFailure = OnFailure()


class _Reader:
    """Reads one manifest, table by table; the checks that need more than one value come last."""

    def __init__(self, file: Path) -> None:
        self._given = file
        self._file = file.parent.resolve() / file.name
        self._problems: list[Problem] = []
        self._folders = Folders(self._file.parent)

    def workspace(self, document: Mapping[str, object]) -> Workspace:
        """Return the workspace. Raises InvalidManifest."""
        top = self._table((), document, _TOP_KEYS)
        table = self._table(("workspace",), document.get("workspace", {}), _WORKSPACE_KEYS)
        base = table.take("base", values.branch, None)
        release = table.take("release", read_release, None)
        replaces = table.take_list("replaces", read_release, ())
        if release is not None and release in replaces:
            table.wrong("replaces", bad(f"`{release}` is the release itself", "leave it out"))
        usual = read_usual(table)
        external = cast("External", table.take("external", _external, "hold"))
        result = Workspace(
            file=self._file,
            name=table.take("name", values.text, self._file.parent.name or "workspace"),
            base=base,
            branch=table.take("branch", values.branch, DEFAULT_BRANCH),
            jobs=table.take("jobs", values.count, os.cpu_count() or 1),
            external=external,
            author=table.take("author", values.author, None),
            message=table.take("message", _message, None),
            sign_off=table.take("sign-off", values.flag, default=False),
            read=cast("Read", table.take("read", _read, "server")),
            nix_min=table.take("nix-min", nix_min, OLDEST_NIX),
            seen=table.take("seen", self._folders.file, None),
            pins=tuple(self._pins(document, release, replaces, usual)),
            release=release,
            replaces=replaces,
            repos=self._repos(document, _Shared(base, propagate=_take_propagate(table, "content"))),
            forges=self._forges(document),
            publish=read_publish(self._table(("publish",), document.get("publish", {}), PUBLISH_KEYS)),
            audit=self._audit(document.get("audit", {})),
            policies=read_policies(self._policies(document), usual, external),
            mirrors=read_mirrors(self._table(("mirrors",), document.get("mirrors", {}))),
            sources=read_sources(
                self._table(("sources",), document.get("sources", {}), _SOURCES_KEYS), self._file.parent
            ),
        )
        result = self._with_holds(top, result)
        self._check_branches(result)
        self._check_identities(result.repos)
        self._check_pins(result.pins)
        if self._problems:
            raise InvalidManifest(self._given, self._problems)
        return result

    def _table(self, place: tuple[str, ...], content: object, known: frozenset[str] | None = None) -> Table:
        return Table(self._problems, place, content, known=known, home_of=_home_of)

    def _named(self, kind: str, document: Mapping[str, object], known: frozenset[str]) -> Iterator[tuple[str, Table]]:
        """Give the tables `[kind.NAME]` in the order of the file."""
        for name, content in self._table((kind,), document.get(kind, {})).items():
            table = self._table((kind, name), content, known)
            if not values.NAME.fullmatch(name):
                table.wrong("", values.not_a_name(name))
            yield name, table

    def _with_holds(self, top: Table, workspace: Workspace) -> Workspace:
        every = top.take_list("hold", lambda each: each, (), repeats=True)
        if not every:
            return workspace
        tables = [self._table((f"hold[{index}]",), each, _HOLD_KEYS) for index, each in enumerate(every)]
        holds = tuple(read_holds(tables, {repo.name: repo.flakes for repo in workspace.repos}))
        by_repo = in_force(holds, today())
        repos = tuple(
            msgspec.structs.replace(repo, holds=by_repo[repo.name]) if repo.name in by_repo else repo
            for repo in workspace.repos
        )
        return msgspec.structs.replace(workspace, holds=holds, repos=repos)

    def _policies(self, document: Mapping[str, object]) -> Iterator[tuple[str, Table]]:
        kind = "external-policy"
        for glob, content in self._table((kind,), document.get(kind, {})).items():
            yield glob, self._table((kind, glob), content, _POLICY_KEYS)

    def _pins(
        self, document: Mapping[str, object], release: str | None, replaces: tuple[str, ...], usual: Conditions
    ) -> Iterator[Pin]:
        repos = document.get("repos")
        names = [*repos] if isinstance(repos, dict) else []

        def target(value: object) -> str:
            return _target(value, names)

        for name, table in self._named("pins", document, _PIN_KEYS):
            template = table.take("source", template_of, None)
            source = table.take("source", lambda value: read_source(value, release), None)
            if table.lacks("source"):
                table.wrong("", bad("needs a `source`", 'such as `source = "github:NixOS/nixpkgs/nixos-unstable"`'))
            inputs = table.take_list("inputs", values.glob, None)
            if inputs == ():
                table.wrong(
                    "inputs", bad("names no input", "leave it out: the pin then governs all inputs of its source")
                )
            target_of_pin = table.take("target", target, "latest")
            max_age_s = table.take("max-age", values.duration, None)
            rules = read_rules(table)
            earlier = read_replaces(table, source, template, replaces)
            if source is not None:
                conditions = read_pin_conditions(table, usual, source, target_of_pin, max_age_s)
                yield Pin(
                    name=PinName(name),
                    source=source,
                    target=target_of_pin,
                    max_age_s=max_age_s,
                    inputs=inputs,
                    template=template,
                    replaces=earlier,
                    follow=rules,
                    conditions=conditions,
                )

    def _repos(self, document: Mapping[str, object], otherwise: _Shared) -> tuple[Repo, ...]:
        table = self._table(("defaults",), document.get("defaults", {}), _SHARED_KEYS)
        defaults = self._shared(table, otherwise)
        if document.get("repos", {}) == {}:
            hint = "each is a table `[repos.NAME]` with a `url` or a `path`"
            self._problems.append(Problem("repos", "the workspace has no repos", hint))
        return tuple(self._repo(name, table, defaults) for name, table in self._named("repos", document, _REPO_KEYS))

    def _shared(self, table: Table, otherwise: _Shared) -> _Shared:
        if not table.has_any(_SHARED_KEYS):
            return otherwise
        flakes = table.take_list("flakes", values.flake_dir, otherwise.flakes)
        if not flakes:
            table.wrong("flakes", bad("names no folder", 'leave it out, or write `flakes = ["."]`'))
        return _Shared(
            base=table.take("base", values.branch, otherwise.base),
            flakes=flakes,
            groups=table.take_list("groups", values.name, otherwise.groups),
            hold=table.take_list("hold", values.glob, otherwise.hold),
            checks=table.take_list("checks", values.command, otherwise.checks, repeats=True),
            after=table.take_list("after", after_command, otherwise.after, repeats=True),
            propagate=_take_propagate(table, otherwise.propagate),
            keep=table.take_list("keep", values.glob, otherwise.keep),
            follow=cast("Follow | None", table.take("follow", follow, otherwise.follow)),
            on_failure=read_on_failure(table, otherwise.on_failure),
        )

    def _repo(self, name: str, table: Table, defaults: _Shared) -> Repo:
        url = table.take("url", references.repo_url, None)
        path, real = table.take("path", self._folders.locate, (None, ""))
        if table.lacks("url") and table.lacks("path"):
            table.wrong("", bad("needs a `url` or a `path`", "a flake reference, or the folder of a local clone"))
        aliases = table.take_list("aliases", references.alias, ())
        identities = {*aliases}
        if url is not None and (identity := url.identity) is not None:
            identities.add(identity)
        if path is not None:
            identities.add(Identity("", real))
        shared = self._shared(table, defaults)
        return Repo(
            name=RepoName(name),
            url=url,
            path=path,
            aliases=aliases,
            base=shared.base,
            flakes=shared.flakes,
            groups=shared.groups,
            hold=shared.hold,
            checks=shared.checks,
            after=shared.after,
            propagate=shared.propagate,
            keep=shared.keep,
            follow=shared.follow,
            on_failure=shared.on_failure,
            identities=frozenset(identities),
        )

    def _forges(self, document: Mapping[str, object]) -> dict[str, ForgeSettings]:
        found = {}
        for host, content in self._table(("forges",), document.get("forges", {})).items():
            table = self._table(("forges", host), content, FORGE_KEYS)
            settings = read_forge(host, table, self._file.parent)
            if settings is not None:
                found[host] = settings
        return found

    def _audit(self, content: object) -> AuditSettings:
        place = ("audit",)
        table = self._table(place, content, _AUDIT_KEYS)
        inside = content if isinstance(content, dict) else {}
        severity = self._table((*place, "severity"), inside.get("severity", {}))
        ends = self._table((*place, "end-of-life"), inside.get("end-of-life", {}))
        every = table.take_list("ignore", lambda each: each, (), repeats=True)
        ignores = [self._table((*place, f"ignore[{index}]"), each, _IGNORE_KEYS) for index, each in enumerate(every)]
        return read_audit(table, severity, ends, ignores, self._file.parent)

    def _check_branches(self, workspace: Workspace) -> None:
        """The update branch must be another branch than every base, and git must be able to hold both."""
        branch = workspace.branch
        clashes: dict[str, str] = {}
        for repo in workspace.repos:
            base = repo.base
            if base is not None and (f"{base}/".startswith(f"{branch}/") or branch.startswith(f"{base}/")):
                clashes.setdefault(base, repo.name)
        for base, name in clashes.items():
            same = "is the base branch" if base == branch else f"cannot exist beside the base branch `{base}`"
            hint = f"the update branch needs a name of its own, such as `{DEFAULT_BRANCH}`"
            self._problems.append(Problem("workspace.branch", f"`{branch}` {same} of `{name}`", hint))

    def _check_identities(self, repos: tuple[Repo, ...]) -> None:
        owners: dict[Identity, RepoName] = {}
        stores: dict[tuple[int, int], tuple[RepoName, str]] = {}
        for repo in repos:
            shared: dict[RepoName, list[str]] = {}
            for identity in repo.identities:
                owner = owners.setdefault(identity, repo.name)
                if owner != repo.name:
                    shared.setdefault(owner, []).append(str(identity))
            # Worktrees of one repository have their branches in common, and so the update branch.
            for folder in sorted([identity.path for identity in repo.identities if not identity.host]):
                store = store_of(folder)
                if store is None:
                    continue
                owner, place = stores.setdefault(store, (repo.name, folder))
                if owner != repo.name and owner not in shared:
                    shared[owner] = [f"{place} and {folder} are working trees of it"]
            for owner, places in shared.items():
                message = f"`{owner}` and `{repo.name}` are one repository: {', '.join(sorted(places))}"
                hint = "keep one; further flakes of a repo go into its `flakes`, other addresses into its `aliases`"
                self._problems.append(Problem(f"repos.{repo.name}", message, hint))

    def _check_pins(self, pins: tuple[Pin, ...]) -> None:
        for one, other in combinations(pins, 2):
            if one.source.identity != other.source.identity:
                continue
            place = f"pins.{other.name}"
            if _governs(one.source) == _governs(other.source):
                message = f"`{one.name}` and `{other.name}` pin the same source at the same ref"
                self._problems.append(Problem(place, message, "keep one of them"))
                continue
            clash = next(((a, b) for a in one.inputs or () for b in other.inputs or () if values.overlap(a, b)), None)
            if clash is not None:
                message = f"`{one.name}` (`{clash[0]}`) and `{other.name}` (`{clash[1]}`) can govern the same input"
                self._problems.append(Problem(f"{place}.inputs", message, "write globs that have no input in common"))


def _governs(source: FlakeRef) -> tuple[object, ...]:
    """Return what tells two pins on one repository apart: the ref, or an archive's URL (its version is in it)."""
    if source.type in ("tarball", "file"):
        return (source.attrs.get("url"),)
    return (source.ref,)


def _take_propagate(table: Table, otherwise: Propagate) -> Propagate:
    return cast("Propagate", table.take("propagate", lambda value: values.choice(value, _PROPAGATES), otherwise))


def _external(value: object) -> str:
    return values.choice(value, _EXTERNALS)


def _message(value: object) -> str:
    return values.template(value, MESSAGE_PLACEHOLDERS)


def _read(value: object) -> str:
    return values.choice(value, _READS)


def _target(value: object, repos: list[str]) -> str:
    word = values.text(value)
    kind, colon, name = word.partition(":")
    if kind == "repo" and colon:
        if name not in repos:
            raise bad(f"there is no repo `{name}`", did_you_mean(name, repos))
        return word
    if word in TARGETS or is_full_rev(word):
        return word
    message = f"`{word}` is no target"
    if 7 <= len(word) <= 64 and all(char in "0123456789abcdefABCDEF" for char in word):
        raise bad(message, "a rev must be whole: 40 lower-case hex digits")
    if word in repos:
        raise bad(message, f"did you mean `repo:{word}`?")
    raise bad(message, values.nearest(word, TARGETS) or "`latest`, `newest-locked`, `repo:NAME` or a full rev")


def _home_of(key: str, known: frozenset[str]) -> str | None:
    """Return the hint for an unknown key: what was meant, or the table where it belongs."""
    if key == "branch" and "branch" not in known and "base" in known:
        return "did you mean `base`? the update branch is one for all repos: `branch` of [workspace]"
    near = values.nearest(key, known)
    if near is None:
        for home, keys in _HOMES.items():
            if key in keys:
                return f"`{key}` belongs into {home}"
    return near or did_you_mean(key, sorted(known))
