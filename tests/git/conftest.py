"""A forge with a site of each kind, whose authority git trusts; the git commands that a test starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.git import process
from tests.support.forge import Certificates, Forge, make_certificates
from tests.support.forge.client import HOSTS


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("forge") / "certificates", HOSTS.values())


@pytest.fixture
def forge(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificates.ca))
    with Forge(tmp_path / "forge", [(host, kind) for kind, host in HOSTS.items()], certificates) as forge:
        yield forge


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands of git that were started, in order."""
    commands: list[str] = []
    real = process.git

    def git(argv: list[str], **values: object) -> process.Answer:
        commands.append(argv[0])
        return real(argv, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "git", git)
    return commands
