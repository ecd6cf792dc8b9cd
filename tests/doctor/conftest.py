"""A workspace of private repos on a forge of each kind, for what doctor says of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forge import Certificates, Forge
from tests.support.private import SITE, Private, make_private


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for all tests: making them takes longer than most of these."""
    return Forge(tmp_path_factory.mktemp("forge") / "forge", [(SITE, "github")]).certificates


@pytest.fixture(params=["github", "gitlab", "forgejo"])
def private(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """The workspace, on a forge of each kind."""
    with Forge(tmp_path / "forge", [(SITE, request.param)], certificates) as forge:
        yield make_private(tmp_path, forge, request.param)


@pytest.fixture
def on_gitlab(tmp_path: Path, certificates: Certificates) -> Iterator[Private]:
    """The workspace, on a GitLab."""
    with Forge(tmp_path / "forge", [(SITE, "gitlab")], certificates) as forge:
        yield make_private(tmp_path, forge, "gitlab")


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is an empty one, with no manifest above it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
