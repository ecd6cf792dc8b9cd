"""The manifest of a bundle: which sources and commits it has, and where each is used."""

from typing import Literal

import msgspec


class SourceUse(msgspec.Struct, frozen=True, kw_only=True):
    """One lock node that is this source. branch: whose lock it is in. ref: the flake reference of `locked`."""

    repo: str
    branch: str
    flake: str
    input: str
    ref: str


class SourceOfRepo(msgspec.Struct, frozen=True, kw_only=True):
    """How a source is made of a commit that one of the bundle's repos has.

    tree: `raw`: all files of the commit's tree; `archive`: what `git archive` gives (export-ignore, export-subst).
    """

    repo: str
    rev: str
    tree: Literal["raw", "archive"]


class SourceDelta(msgspec.Struct, frozen=True, kw_only=True):
    """How a source is made of one that the receiver has. base: its narHash. blob: of the layer. size: bytes."""

    base: str
    blob: str
    size: int


class BundleSource(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from", "in_": "in"}):
    """One source; exactly one of blob, delta, in and from is not null.

    nar_hash: SRI, `sha256-…`. nar_size: bytes; null only with `in`. store_path: for /nix/store. blob: the digest of
    the layer, `sha256:…` (hex), and size its bytes. in: the digest of the manifest of an earlier bundle that has it.
    """

    nar_hash: str
    nar_size: int | None
    store_path: str
    nodes: list[SourceUse]
    blob: str | None = None
    size: int | None = None
    compression: Literal["zstd"] | None = None
    in_: str | None = None
    from_: SourceOfRepo | None = None
    delta: SourceDelta | msgspec.UnsetType = msgspec.UNSET


class BundleBranch(msgspec.Struct, frozen=True, kw_only=True):
    """A branch of a repo. tip: the commit that was sent. tree: of that commit. update: it is the update branch.

    An update branch may be replaced on the other side where all of it is flakesync's; every other one only goes on.
    """

    name: str
    tip: str
    tree: str
    update: bool = False


class BundleRepo(msgspec.Struct, frozen=True, kw_only=True):
    """One repo. url: as in the sender's manifest, without a login; null: it has a path only.

    prerequisites: commits that the receiver must have (a thin bundle). blob: the digest of the git bundle; null: the
    receiver has all its tips.
    """

    name: str
    url: str | None
    flakes: list[str]
    branches: list[BundleBranch]
    prerequisites: list[str]
    blob: str | None
    size: int | None = None


class BundleManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The config blob of a bundle. base: digests of the manifests of earlier bundles that it builds on, sorted."""

    schema: Literal["flakesync/bundle/1"] = "flakesync/bundle/1"
    workspace: str
    flakesync: str
    base: list[str]
    repos: list[BundleRepo]
    sources: list[BundleSource]


DOCUMENT = BundleManifest
