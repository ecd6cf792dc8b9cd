"""What a flake asks for itself (`inputs.self.submodules`): Nix fetches it a second time, so (`applySelfAttrs`)."""

from collections.abc import Mapping

from flakesync.nix.reference.flakeref import Attr
from flakesync.sync.lockers.native.values import Dialect, DisagreementError, Flake, NotNativeError
from flakesync.terms import InputPath, show_path


def with_self_attrs(path: InputPath, locked: Mapping[str, Attr], flake: Flake, dialect: Dialect) -> Mapping[str, Attr]:
    """Return `locked` of the input at `path` with what its flake asks for itself.

    Raises:
        NotNativeError: the source is another then, or Nix would refuse.
    """
    asked = f"input {show_path(path)}: its flake.nix has `inputs.self.{min(flake.self_attrs)}`"
    if not dialect.self_attrs:
        raise DisagreementError(f"{asked}, which {dialect.name} does not know")
    if locked.get("type") != "git":
        raise NotNativeError(f"{asked}, which is not asked of an archive")
    if flake.self_attrs.get("submodules") and flake.submodules:
        raise NotNativeError(f"{asked}, and it has submodules")
    if flake.self_attrs.get("submodules") and locked.get("exportIgnore"):
        raise NotNativeError(f"{asked}, and it is fetched with `exportIgnore`: Nix cannot do both")
    return {**locked, **flake.self_attrs}
