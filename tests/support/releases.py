"""A workspace that is to move to another release: nixpkgs and a companion, with a branch for each of two releases."""

from pathlib import Path

from tests.support.nixspace import UPDATE_BRANCH, Space, Take, read

OLD, NEW = "nixos-25.11", "nixos-26.05"
HM_OLD, HM_NEW = "release-25.11", "release-26.05"


class Releases:
    """nixpkgs and hm with a branch for each release, and repos at the old one: lib, and app, which takes lib."""

    def __init__(self, root: Path) -> None:
        """Make it all in a folder."""
        self.space = space = Space(root)
        for branch in (OLD, NEW):
            space.commit("nixpkgs", {"release": branch}, branch=branch)
        space.make("hm", {"flake.nix": "{ outputs = _: { }; }"})
        for branch in (HM_OLD, HM_NEW):
            space.commit("hm", {"release": branch}, branch=branch)
        at = {
            "nixpkgs": Take(ref=OLD, at=space.tip("nixpkgs", OLD)),
            "hm": Take(ref=HM_OLD, at=space.tip("hm", HM_OLD)),
        }
        space.add("lib", {"nixpkgs": at["nixpkgs"]})
        space.add("app", {**at, "lib": Take(follows={"nixpkgs": "nixpkgs"})})
        space.add("cli", {"app": Take(), "nixpkgs": "app/nixpkgs"})

    def manifest(self, release: str = "26.05", *replaces: str) -> Path:
        """Write workspace.toml with both pins. replaces: the releases before; none given: 25.11."""
        url = self.space.url
        before = list(replaces or ["25.11"])
        return self.space.manifest(
            {"release": release} | ({} if release in before else {"replaces": before}),
            pins={
                "nixpkgs": {"source": f"git+{url('nixpkgs')}?ref=nixos-{{release}}"},
                "hm": {"source": f"git+{url('hm')}?ref=release-{{release}}"},
            },
        )

    def before(self) -> Path:
        """Write workspace.toml as it is before the move."""
        return self.manifest("25.11")

    def update(self, name: str, file: str) -> bytes:
        """Return a file of a repo's update."""
        return read(self.space.path(name), self.space.tip(name, UPDATE_BRANCH), file)
