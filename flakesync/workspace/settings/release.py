"""`release` and `replaces`: the release that pins are of, and the earlier names that sync moves inputs on from."""

from collections.abc import Iterable

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.named import branch_name
from flakesync.patterns import pattern
from flakesync.workspace import references
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad, branch, text

PLACEHOLDER = "{release}"

RELEASE = pattern(r"[0-9A-Za-z][0-9A-Za-z._-]*")
_PART_OF_ADDRESS = pattern(r"[^\x00-\x20\x7f/?#%{}\"']+")
_WITHOUT_DOT = pattern(r"https?://(?:api\.)?flakehub\.com/")


def read_release(value: object) -> str:
    """Return a release: `26.05`. Raises ManifestError."""
    word = text(value)
    if RELEASE.fullmatch(word) is None:
        raise bad(
            f"`{word}` is no release", "such as `26.05`: it is what stands for `{release}` in the sources of pins"
        )
    return word


def read_name(value: object) -> str:
    """Return the name of a branch, or the part of an archive's address that stands for one. Raises ManifestError."""
    word = text(value)
    return word if "*" in word and _PART_OF_ADDRESS.fullmatch(word) else branch(word)


def template_of(source: object) -> str | None:
    """Return a pin's source as it is written, where it has `{release}`; None: it has not."""
    return source if isinstance(source, str) and PLACEHOLDER in source else None


def filled(template: str, release: str) -> str:
    """Return a pin's source for one release; FlakeHub's addresses have it without its dot (`0.2605.*`)."""
    return template.replace(PLACEHOLDER, release.replace(".", "") if _WITHOUT_DOT.match(template) else release)


def read_source(value: object, release: str | None) -> FlakeRef:
    """Return the source of a pin, of the workspace's release where it has `{release}`. Raises ManifestError."""
    template = template_of(value)
    if template is None:
        return references.pin_source(value)
    if release is None:
        raise bad(f"has `{PLACEHOLDER}`, and the workspace has no release", 'write `release = "26.05"` in [workspace]')
    return references.pin_source(filled(template, release))


def read_replaces(
    table: Table, source: FlakeRef | None, template: str | None, releases: Iterable[str]
) -> tuple[str, ...]:
    """Return the names of branches that inputs of a pin are moved on from, its own last; what is wrong is noted.

    template: its source as it is written, where that has `{release}`. releases: the earlier ones of the workspace.
    """
    own = table.take_list("replaces", read_name, ())
    name = branch_name(source.to_attrs()) if source is not None else None
    if "replaces" in table.names() and source is not None and name is None:
        table.wrong("replaces", bad("needs a source that names a branch", f"`{source}` is of the default branch"))
    if name is not None and name in own:
        table.wrong("replaces", bad(f"`{name}` is what the source names now", "leave it out"))
    earlier = [references.pin_source(filled(template, each)) for each in releases] if template is not None else []
    names = [branch_name(each.to_attrs()) for each in earlier]
    return tuple(dict.fromkeys(each for each in [*names, *own] if each is not None and each != name))
