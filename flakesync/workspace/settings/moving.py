"""Which values of workspace.toml a move to another release, or of one pin to another branch, changes."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from flakesync.errors import FlakeRefError, ManifestError
from flakesync.nix.reference.flakeref import FlakeRef, is_full_rev
from flakesync.nix.reference.named import branch_name, with_branch_name
from flakesync.terms import PinName
from flakesync.workspace.model import Pin, Workspace
from flakesync.workspace.settings.edit_manifest import Key, set_list, set_text
from flakesync.workspace.settings.release import filled, read_name, read_release
from flakesync.workspace.values import did_you_mean

_RELEASE: Key = ("workspace", "release")
_REPLACES: Key = ("workspace", "replaces")


class PinMove(msgspec.Struct, frozen=True):
    """A pin whose source gets another branch. before, after: the names. source: the new one."""

    pin: PinName
    before: str
    after: str
    source: FlakeRef


class ManifestMove(msgspec.Struct, frozen=True):
    """What changes in a manifest. wanted: the new value of each key that changes. pins: those that move."""

    wanted: Mapping[Key, str | Sequence[str]]
    pins: tuple[PinMove, ...]

    @property
    def keys(self) -> list[str]:
        """The keys that change, as people write them."""
        return [".".join(key[1:] if key[0] == "workspace" else key) for key in self.wanted]

    def fixed(self, workspace: Workspace) -> list[PinName]:
        """Return the pins that move and have a commit as their target, which is of no branch but by chance."""
        moved = {move.pin for move in self.pins}
        return [pin.name for pin in workspace.pins if pin.name in moved and is_full_rev(pin.target)]

    def edit(self, text: str) -> str:
        """Return the text of the manifest with the new values."""
        for key, value in self.wanted.items():
            if isinstance(value, str):
                text = set_text(text, key, value)
            else:
                beside = _RELEASE if key == _REPLACES else (*key[:-1], "source")
                text = set_list(text, key, value, beside=beside)
        return text


def move_release(workspace: Workspace, release: str, excepted: Collection[str]) -> ManifestMove:
    """Return the move of all pins that have `{release}` to another release. excepted: pins that stay as they are.

    One that stays names its branch itself from then on. A move to the release that is there already changes nothing.

    Raises: ManifestError: `release-missing` (no pin has `{release}`), `unknown-pin`, `manifest` (it is no release).
    """
    read_release(release)
    for name in excepted:
        find_pin(workspace, name)
    old = workspace.release
    templates = {pin.name: pin.template for pin in workspace.pins if pin.template is not None}
    if old is None or not templates:
        raise ManifestError(
            "release-missing",
            f"{workspace.file}: no pin's source has {{release}}, so nothing says what moves to {release}",
            hint='write `release = "25.11"` in [workspace], and `{release}` in sources: '
            '`source = "github:NixOS/nixpkgs/nixos-{release}"`; or move one pin: `flakesync move PIN BRANCH`',
        )
    wanted: dict[Key, str | Sequence[str]] = {}
    pins: list[PinMove] = []
    if old != release:
        wanted[_RELEASE] = release
        wanted[_REPLACES] = [*(each for each in workspace.replaces if each not in (old, release)), old]
    for pin in workspace.pins:
        template = templates.get(pin.name)
        if template is None:
            continue
        if pin.name in excepted:
            wanted["pins", pin.name, "source"] = filled(template, old)
            if pin.replaces:
                wanted["pins", pin.name, "replaces"] = list(pin.replaces)
        elif old != release:
            source = FlakeRef.parse(filled(template, release))
            pins.append(PinMove(pin.name, _name(pin.source), _name(source), source))
    return ManifestMove(wanted, tuple(pins))


def move_pin(workspace: Workspace, name: str, branch: str) -> ManifestMove:
    """Return the move of one pin to another branch. Where it is there already, nothing changes.

    Raises: ManifestError: `unknown-pin`, `no-branch` (its source names none), `manifest` (it is no name of a branch).
    """
    read_name(branch)
    pin = find_pin(workspace, name)
    old = branch_name(pin.source.to_attrs())
    attrs = with_branch_name(pin.source.to_attrs(), branch)
    if old is None or attrs is None:
        raise ManifestError(
            "no-branch",
            f"pins.{pin.name}.source: {pin.source} names no branch, so there is none to move on from",
            hint="name its branch in the source, and in the inputs",
        )
    if old == branch:
        return ManifestMove({}, ())
    source = FlakeRef.from_attrs(attrs)
    wanted: dict[Key, str | Sequence[str]] = {
        ("pins", pin.name, "source"): _written(workspace, pin, old, branch, source),
        ("pins", pin.name, "replaces"): [*(each for each in pin.replaces if each not in (old, branch)), old],
    }
    return ManifestMove(wanted, (PinMove(pin.name, old, branch, source),))


def find_pin(workspace: Workspace, name: str) -> Pin:
    """Return a pin by its name. Raises: ManifestError(`unknown-pin`)."""
    found = next((pin for pin in workspace.pins if pin.name == name), None)
    if found is None:
        known = [pin.name for pin in workspace.pins]
        raise ManifestError(
            "unknown-pin", f"{workspace.file}: no pin is called `{name}`", hint=did_you_mean(name, known)
        )
    return found


def _written(workspace: Workspace, pin: Pin, old: str, new: str, source: FlakeRef) -> str:
    """Return a source as a person would write it: the old text with the new name, where that is what it should be."""
    text = filled(pin.template, workspace.release or "") if pin.template is not None else pin.source.to_url()
    try:
        if text.count(old) == 1 and FlakeRef.parse(text.replace(old, new)) == source:
            return text.replace(old, new)
    except FlakeRefError:
        pass
    return source.to_url()


def _name(source: FlakeRef) -> str:
    return branch_name(source.to_attrs()) or "the default branch"
