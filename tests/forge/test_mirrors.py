"""Which forge a repo with a mirror lies on: that of the mirror, if it is one, and never its own."""

from pathlib import Path

import pytest

from flakesync.forge.hosts import Servers
from flakesync.forge.model import Project
from flakesync.workspace.manifest import parse_workspace

MANIFEST = """
[repos.app]
url = "github:acme/app"
[mirrors]
"github:acme/" = "git+ssh://git@git.internal/team/"
"""
FORGE = '[forges."git.internal"]\nkind = "forgejo"\ntoken-env = "INTERNAL"\n'


@pytest.mark.parametrize("forge", [FORGE, ""])
def test_a_pull_request_is_made_where_the_branch_is_pushed_to(forge: str) -> None:
    workspace = parse_workspace(Path("/nowhere/workspace.toml"), (MANIFEST + forge).encode())
    servers = Servers(workspace, {"GITHUB_TOKEN": "of-github", "INTERNAL": "of-internal"})
    try:
        found = servers.for_repo(workspace.repo("app"))
        assert servers.remote("https://github.com/acme/app").url == "ssh://git@git.internal/team/app"
        if not forge:
            assert found is None
            return
        assert found is not None
        assert found.project == Project("git.internal", "team/app")
        assert servers.account("git.internal").token == "of-internal"
    finally:
        servers.close()
