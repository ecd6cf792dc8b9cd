"""A forge with a site of each kind, whose authority git trusts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
