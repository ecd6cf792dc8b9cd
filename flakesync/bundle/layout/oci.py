"""The three JSON files of an OCI image layout, as bundles have them, read strictly and written the same way each time.

https://github.com/opencontainers/image-spec: `oci-layout`, `index.json`, and the image manifest that it names.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec

from flakesync.errors import FlakesyncError

CONFIG_TYPE = "application/vnd.flakesync.bundle.v1+json"
NAR_TYPE = "application/vnd.flakesync.nar.v1+zstd"
DELTA_TYPE = "application/vnd.flakesync.nar-delta.v1"
GIT_TYPE = "application/vnd.flakesync.git-bundle.v1"
_INDEX_TYPE: Literal["application/vnd.oci.image.index.v1+json"] = "application/vnd.oci.image.index.v1+json"
_MANIFEST_TYPE: Literal["application/vnd.oci.image.manifest.v1+json"] = "application/vnd.oci.image.manifest.v1+json"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
"""The file `oci-layout`, by which a folder is known to be a layout."""

MOST_BYTES = 256 << 20
"""The longest JSON file that is read: a manifest of 10,000 sources in 1,000 repos has 20 MB."""

_HINT = "it is not a bundle of flakesync, or it was damaged on its way: copy it once more"

T = TypeVar("T")


class Layer(NamedTuple):
    """A blob of a layout that its image manifest names. digest: `sha256:…`, hex. size: bytes."""

    media_type: str
    digest: str
    size: int


class _Descriptor(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    urls: list[str] | None = None
    platform: dict[str, object] | None = None
    artifact_type: str | None = None


class _Index(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    schema_version: Literal[2]
    manifests: list[_Descriptor]
    media_type: Literal["application/vnd.oci.image.index.v1+json"] | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class _Image(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    schema_version: Literal[2]
    config: _Descriptor
    layers: list[_Descriptor]
    media_type: Literal["application/vnd.oci.image.manifest.v1+json"] | msgspec.UnsetType = msgspec.UNSET
    annotations: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class _Marker(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    image_layout_version: Literal["1.0.0"]


class Image(NamedTuple):
    """What an image manifest names: the manifest of the bundle, and its blobs by digest."""

    config: Layer
    layers: dict[str, Layer]


def digest_of(data: bytes) -> str:
    """Return the name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def image_manifest(config: Layer, layers: Sequence[Layer]) -> bytes:
    """Return the image manifest that names a config and its layers, in this order."""
    return msgspec.json.encode(_Image(2, _described(config), [_described(layer) for layer in layers], _MANIFEST_TYPE))


def index(manifest: bytes) -> bytes:
    """Return the index.json that names one image manifest."""
    named = _Descriptor(_MANIFEST_TYPE, digest_of(manifest), len(manifest))
    return msgspec.json.encode(_Index(2, [named], _INDEX_TYPE))


def read_marker(data: bytes) -> None:
    """Read the file `oci-layout`. Raises: FlakesyncError(`bad-bundle`)."""
    _decoded(data, _Marker, "oci-layout")


def read_index(data: bytes) -> Layer:
    """Return the one image manifest that index.json names. Raises: FlakesyncError(`bad-bundle`)."""
    found = _decoded(data, _Index, "index.json").manifests
    if len(found) != 1:
        raise bad_bundle(f"index.json names {len(found)} images; a bundle is one")
    if found[0].media_type != _MANIFEST_TYPE:
        raise bad_bundle(f"index.json names a {found[0].media_type}, which is no image manifest")
    return _layer(found[0], "index.json")


def read_image(data: bytes) -> Image:
    """Return what an image manifest names. Raises: FlakesyncError(`bad-bundle`)."""
    image = _decoded(data, _Image, "the image manifest")
    if image.config.media_type != CONFIG_TYPE:
        raise bad_bundle(f"it is an image whose config is a {image.config.media_type}, and no bundle")
    layers = [_layer(each, "the image manifest") for each in image.layers]
    return Image(_layer(image.config, "the image manifest"), {layer.digest: layer for layer in layers})


def bad_bundle(message: str, hint: str = _HINT) -> FlakesyncError:
    """Return the error of a bundle that cannot be read at all."""
    return FlakesyncError("bad-bundle", message, hint=hint)


def bad_blob(digest: str, message: str) -> FlakesyncError:
    """Return the error of one blob that is not what its name says."""
    return FlakesyncError(
        "bad-blob", f"{digest}: {message}", hint="it was damaged on its way: copy the bundle once more"
    )


def _described(layer: Layer) -> _Descriptor:
    return _Descriptor(layer.media_type, layer.digest, layer.size)


def _layer(found: _Descriptor, where: str) -> Layer:
    if not DIGEST.fullmatch(found.digest):
        raise bad_bundle(f"{where} names a blob {found.digest!r}; only sha256 in hex is known")
    if found.size < 0:
        raise bad_bundle(f"{where} names a blob of {found.size} bytes")
    return Layer(found.media_type, found.digest, found.size)


def _decoded(data: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise bad_bundle(f"{where} cannot be read: {error}") from None
