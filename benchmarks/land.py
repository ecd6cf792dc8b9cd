"""A workspace for real Nix on the example forge, ready to be synced, published and landed."""

from collections.abc import Mapping
from pathlib import Path

import tomli_w

from flakesync.demo.forge.model import Project
from flakesync.demo.forge.storage import Storage
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.many import APIS, TOKEN, VARIABLE
from tests.support.nixspace import Space, Take

WAVES = 4


def make_landing(root: Path, forge: Forge, host: str, count: int) -> tuple[Path, Mapping[str, str]]:
    """Make `count` repos in four waves, each of which takes nixpkgs (that has moved on) and two of the wave above.

    Return the manifest, which knows them by their addresses alone, and the environment that flakesync needs.
    """
    site = forge.sites[host]
    site.add_account(TOKEN)
    place = f"localhost:{forge.open_port(host)}"
    space = Space(root)
    width = count // WAVES
    waves: list[list[str]] = []
    for wave in range(WAVES):
        size = width if wave else count - width * (WAVES - 1)
        waves.append([f"w{wave}-{number}" for number in range(size)])
        for number, name in enumerate(waves[wave]):
            above = {waves[wave - 1][(number + step) % len(waves[wave - 1])] for step in (0, 1)} if wave else set()
            takes = {up: Take(url=f"https://{place}/acme/{up}") for up in sorted(above)}
            space.add(name, {"nixpkgs": Take(), **takes})
    for name in space.names:
        storage = Storage(repos.clone_bare(space.path(name), site.root / f"acme/{name}.git"))
        site.projects[f"acme/{name}"] = Project(next(site.ids), f"acme/{name}", storage, site.time())
    document = {
        "workspace": {"name": "landing", "author": "Bench <bench@acme.example>"},
        "forges": {place: {"kind": site.kind, "api": f"https://{place}{APIS[site.kind]}", "token-env": VARIABLE}},
        "publish": {"merge-method": "squash", "labels": ["flake-lock"]},
        "pins": {"nixpkgs": {"source": f"git+{space.url('nixpkgs')}?ref=main"}},
        "repos": {name: {"url": f"git+https://{place}/acme/{name}"} for name in space.names},
    }
    manifest = root / "workspace.toml"
    manifest.write_text(tomli_w.dumps(document))
    experimental = {"NIX_CONFIG": "experimental-features = nix-command flakes"}
    return manifest, {**forge.certificates.environment(), **experimental, VARIABLE: TOKEN}
