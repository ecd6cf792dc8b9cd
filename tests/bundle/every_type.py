"""A flake with inputs of every type that locks have, on a forge, locked by real Nix."""

import json
from collections.abc import Mapping
from pathlib import Path

from flakesync.demo.forge.model import Kind
from tests.support import repos
from tests.support.forge.world import World

SITES: list[tuple[str, Kind]] = [
    ("github.com", "github"),
    ("github.acme.example", "github"),
    ("git.acme.example", "gitlab"),
    ("codeberg.org", "forgejo"),
]
LIB = {"flake.nix": '{ outputs = _: { v = "lib"; }; }\n', "sub/flake.nix": '{ outputs = _: { v = "sub"; }; }\n',
       "data": "data\n", "tool": "exec:#!/bin/sh\n", "link": "link:data"}  # fmt: skip
ODD = {"flake.nix": '{ outputs = _: { v = "odd"; }; }\n', ".gitattributes": "secret export-ignore\nrev export-subst\n",
       "secret": "secret\n", "rev": "$Format:%H$\n"}  # fmt: skip
MID = """\
{
  inputs.lib.url = "github:acme/lib";
  inputs.inner = { url = "github:acme/data"; flake = false; };
  outputs = { lib, inner, ... }: { v = lib.v; };
}
"""

INPUTS: dict[str, str] = {
    "gh": "github:acme/lib",
    "ghdir": "github:acme/lib?dir=sub",
    "ghe": "github:acme/lib?host=github.acme.example",
    "gl": "gitlab:acme/lib?host=git.acme.example",
    "gits": "git+https://codeberg.org/acme/lib?ref=main",
    "gitdir": "git+https://codeberg.org/acme/lib?dir=sub&ref=main",
    "gshal": "git+https://codeberg.org/acme/lib?ref=main&shallow=1",
    "gsub": "git+https://codeberg.org/acme/super?ref=main&submodules=1",
    "gexp": "git+https://codeberg.org/acme/odd?ref=main",
    "ghexp": "github:acme/odd",
    "gssh": "git+ssh://git@codeberg.org/acme/lib?ref=main",
    "tar": "https://codeberg.org/acme/lib/archive/main.tar.gz",
    "reg": "reglib",
    "mid": "github:acme/mid",
}
"""Inputs of the flake by name; `path` and, from Nix 2.26 on, `file` and `rel` come to these."""
PLAIN = {"ghnf": "github:acme/data", "gitnf": "git+https://codeberg.org/acme/data?ref=main"}
"""Inputs that are no flakes."""

_FLAKE = """\
{{
{inputs}
  outputs = inputs: {{
    v = builtins.concatStringsSep " " (map (name: builtins.readFile "${{inputs.${{name}}}}/flake.nix" + name) [{read}]);
    packages.x86_64-linux.default = derivation {{
      name = "two";
      system = "x86_64-linux";
      builder = "/bin/sh";
      args = [ "-c" "read a < ${{inputs.gh}}/data; read b < ${{inputs.ghnf}}/text; echo $a $b > $out" ];
    }};
  }};
}}
"""


def make_flake(world: World) -> Path:
    """Make the flake `app` and all it takes; return its clone. The manifest lists it, and one of its upstreams."""
    for host in ("github.com", "github.acme.example", "git.acme.example", "codeberg.org"):
        _put(world, host, "lib", LIB)
    _put(world, "codeberg.org", "odd", ODD)
    _put(world, "github.com", "odd", ODD)
    for host in ("github.com", "codeberg.org"):
        _put(world, host, "data", {"text": "text\n"})
    _put(world, "github.com", "mid", {"flake.nix": MID})
    _put_super(world)
    by_path = world.root / "plain"
    by_path.mkdir()
    (by_path / "flake.nix").write_text('{ outputs = _: { v = "path"; }; }\n')
    registry = {"flakes": [{"from": {"type": "indirect", "id": "reglib"},
                            "to": {"type": "github", "owner": "acme", "repo": "lib"}}], "version": 2}  # fmt: skip
    (world.root / "nix-state/conf/registry.json").write_text(json.dumps(registry))
    inputs = {**INPUTS, "path": f"path:{by_path}"}
    plain = dict(PLAIN)
    files: dict[str, str] = {}
    if world.nix.version >= (2, 26):
        plain["file"] = "file+https://codeberg.org/acme/lib/archive/main.tar.gz"
        inputs["rel"] = "path:./rel"
        files["rel/flake.nix"] = '{ outputs = _: { v = "rel"; }; }\n'
    project = world.forge.site("github.com").create("acme/app")
    world.add("app", project, "https://github.com/acme/app", {"flake.nix": _flake(inputs, plain), **files})
    world.manifest = {
        "workspace": {"name": "acme"},
        "repos": {
            "app": {"path": "repos/app", "url": "github:acme/app"},
            "lib": {"path": "repos/github.com-lib", "url": "github:acme/lib"},
        },
    }
    return world.clone("app")


def _flake(inputs: Mapping[str, str], plain: Mapping[str, str]) -> str:
    lines = [f'  inputs.{name}.url = "{url}";' for name, url in {**inputs, **plain}.items()]
    lines += [f"  inputs.{name}.flake = false;" for name in plain]
    lines.append('  inputs.mid.inputs.lib.follows = "gh";')
    lines.append('  inputs.free.url = "github:acme/mid";')
    read = " ".join(f'"{name}"' for name in inputs)
    return _FLAKE.format(inputs="\n".join(lines), read=read)


def _put(world: World, host: str, name: str, files: repos.Files) -> None:
    project = world.forge.site(host).create(f"acme/{name}")
    clone = world.clone(f"{host}-{name}")
    repos.make_repo(clone, files)
    repos.put_on_server(clone, project.storage.path, f"https://{host}/acme/{name}")


def _put_super(world: World) -> None:
    """Put a repository with a submodule on the forge."""
    clone = world.clone("super")
    repos.make_repo(clone, {"flake.nix": '{ outputs = _: { v = "super"; }; }\n'})
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@t.example")
    world.net.run(*git, "submodule", "add", "-q", "https://codeberg.org/acme/lib", "dep", cwd=clone, env=world.env)
    world.net.run(*git, "commit", "-q", "-m", "Sub", cwd=clone, env=world.env)
    project = world.forge.site("codeberg.org").create("acme/super")
    repos.put_on_server(clone, project.storage.path, "https://codeberg.org/acme/super")
