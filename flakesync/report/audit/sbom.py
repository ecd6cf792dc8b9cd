"""The sources of a workspace as a bill of materials: CycloneDX 1.6.

A component is a source at a commit, whatever lock it is in and however it is spelled there. What CycloneDX calls hashes
are digests of files, and a narHash is none: it is a property.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import msgspec

from flakesync import __version__
from flakesync.audit.shown import clean, shown_source
from flakesync.audit.subject import subjects
from flakesync.nix.lock.file import LockFile
from flakesync.nix.lock.node import LockNode
from flakesync.nix.reference.identity import Identity
from flakesync.nix.reference.source import ARCHIVES
from flakesync.terms import FlakeDir, NodeLabel, RepoName
from flakesync.workspace.snapshot import RepoAtCommit, RepoState, UnreadableRepo

_Json = dict[str, object]

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_WORKSPACE = "workspace"
_GITHUB = "github.com"
_UNNAMED = "source"


def render_sbom(name: str, states: Iterable[RepoState]) -> bytes:
    """Return the repos of a workspace with all that is in their locks; the same locks give the same bytes.

    name: the workspace's. There is no time in it, as no lock says when it was made; its serial number is made from it.
    """
    bill = _Bill(sorted(states, key=lambda state: state.name))
    root: _Json = {"type": "application", "bom-ref": _WORKSPACE, "name": name}
    tool: _Json = {"type": "application", "name": "flakesync", "version": __version__}
    content: _Json = {
        "metadata": {"tools": {"components": [tool]}, "component": root},
        "components": [bill.components[ref] for ref in sorted(bill.components)],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(inputs)} if inputs else {"ref": ref}
            for ref, inputs in sorted(bill.inputs.items())
        ],
    }
    if bill.incomplete:
        content["compositions"] = [{"aggregate": "incomplete", "dependencies": bill.incomplete}]
    serial = uuid5(NAMESPACE_URL, msgspec.json.encode(content).decode())
    head: _Json = {
        "$schema": _SCHEMA, "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
    }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(head | content), indent=2) + b"\n"


class _Bill:
    """The components by their references, what each takes, and the repos of which not all is known."""

    def __init__(self, states: Iterable[RepoState]) -> None:
        self.components: dict[str, _Json] = {}
        self.inputs: dict[str, set[str]] = {_WORKSPACE: set()}
        self.incomplete: list[str] = []
        self._own: dict[tuple[Identity, str], str] = {}
        self._hashes: dict[str, set[str]] = {}
        self._places: dict[str, set[str]] = {}
        read = [*states]
        for state in read:
            self._add_repo(state)
        for state in read:
            for flake in state.flakes:
                if flake.lock is not None:
                    self._add_lock(state.name, flake.dir, flake.lock)
        for ref, hashes in self._hashes.items():
            # Two of one commit: submodules, or a lie. Both are in some lock, so both are said.
            self.components[ref]["properties"] = [{"name": "nix:narHash", "value": each} for each in sorted(hashes)]

    def _add_repo(self, state: RepoState) -> None:
        ref = f"repo:{state.name}"
        component: _Json = {"type": "application", "bom-ref": ref, "name": state.name}
        if isinstance(state, RepoAtCommit):
            component["version"] = state.rev
            self._own.update({(identity, state.rev): ref for identity in state.repo.identities})
            identity = state.repo.url.identity if state.repo.url is not None else None
            if identity is not None:
                component["purl"] = _purl(identity, state.rev, _vcs_url(identity, state.rev))
        self.components[ref] = component
        self.inputs[ref] = set()
        self.inputs[_WORKSPACE].add(ref)
        if isinstance(state, UnreadableRepo) or any(flake.problem is not None for flake in state.flakes):
            self.incomplete.append(ref)

    def _add_lock(self, repo: RepoName, dir: FlakeDir, lock: LockFile) -> None:
        refs: dict[NodeLabel, str] = {lock.root: f"repo:{repo}"}
        for each in subjects(repo, dir, lock):
            above = lock.resolve(each.path[:-1])
            # A folder of a flake comes with that flake: what it takes, the flake takes.
            inside = each.node.is_folder and each.node.origin.found is None and above is not None
            refs[each.label] = refs[above] if inside and above is not None else self._add_source(each.node)
        for label, ref in refs.items():
            for target in lock.nodes[label].inputs.values():
                leads_to = lock.resolve(target) if isinstance(target, tuple) else target
                if leads_to in refs and refs[leads_to] != ref:
                    self.inputs[ref].add(refs[leads_to])

    def _add_source(self, node: LockNode) -> str:
        """Return the reference of the component that a node is."""
        origin = node.origin
        nar_hash = _text(origin.locked.get("narHash"))
        if origin.found is not None and origin.rev is not None and (origin.found, origin.rev) in self._own:
            ref = self._own[origin.found, origin.rev]
        else:
            shown = clean(str(origin.found)) if origin.found is not None else shown_source(origin.locked)
            ref = f"source:{shown}@{origin.rev or nar_hash or ''}"
            self.inputs.setdefault(ref, set())
            component = _component(ref, origin.found, origin.rev, shown, origin.locked)
            # Spellings of one source may differ in how it is fetched: the first in order, whichever lock comes first.
            self.components[ref] = min(self.components.get(ref, component), component, key=msgspec.json.encode)
        if nar_hash:
            self._hashes.setdefault(ref, set()).add(nar_hash)
        return ref


def _component(ref: str, identity: Identity | None, rev: str | None, shown: str, locked: Mapping[str, object]) -> _Json:
    place = identity if identity is not None else Identity("", shown)
    parts = _parts(place)
    component: _Json = {"type": "library", "bom-ref": ref, "name": parts[-1] if parts else _UNNAMED}
    if parts[:-1] and identity is not None and identity.host:
        component["group"] = "/".join(parts[:-1])
    if rev is not None:
        component["version"] = rev
    type_, url = locked.get("type"), _text(locked.get("url"))
    if type_ in ARCHIVES and url and not _is_on_github(place):
        qualifiers: Mapping[str, str] = {"download_url": url}
    elif identity is not None and identity.host:
        scheme = url.partition("://")[0] if "://" in url else "https"
        qualifiers = _vcs_url(identity, rev, "hg" if type_ == "hg" else "git", scheme)
    else:
        qualifiers = {}
    component["purl"] = _purl(place, rev, qualifiers)
    return component


def _vcs_url(identity: Identity, rev: str | None, tool: str = "git", scheme: str = "https") -> Mapping[str, str]:
    return {"vcs_url": f"{tool}+{scheme}://{clean(str(identity))}{f'@{rev}' if rev is not None else ''}"}


def _purl(identity: Identity, rev: str | None, qualifiers: Mapping[str, str]) -> str:
    """Return a package URL in its canonical form. qualifiers: one at most; a repository of GitHub needs none."""
    parts = _parts(identity)
    version = f"@{rev}" if rev is not None else ""
    if _is_on_github(identity):
        return f"pkg:github/{'/'.join(quote(part.lower(), safe=':') for part in parts)}{version}"
    query = "&".join(f"{key}={quote(value, safe='/:')}" for key, value in sorted(qualifiers.items()))
    return f"pkg:generic/{quote(parts[-1] if parts else _UNNAMED, safe=':')}{version}{f'?{query}' if query else ''}"


def _is_on_github(identity: Identity) -> bool:
    """Tell whether it is a repository there: a file of a release is not."""
    return identity.host == _GITHUB and len(_parts(identity)) == 2


def _parts(identity: Identity) -> list[str]:
    # Cleaned as a whole first: of what a lock says, nothing at all may be left. A package URL has no blanks at names.
    return [stripped for part in clean(identity.path).split("/") if (stripped := part.strip())]


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""
