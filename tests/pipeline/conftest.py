"""Certificates of a forge, made once."""

import pytest

from tests.support.forge import Certificates, make_certificates
from tests.support.forge.client import HOSTS
from tests.support.private import SITE


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for all tests of the room."""
    return make_certificates(tmp_path_factory.mktemp("forge") / "certificates", [*HOSTS.values(), SITE])
