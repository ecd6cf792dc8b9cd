"""A forge with a site of each kind."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from flakesync.demo.forge.model import Kind
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.hosts import adapter_of
from flakesync.forge.model import Project
from tests.forge import described
from tests.forge.sides import KINDS, Held, Make, Side
from tests.support.forge import Certificates, Forge, make_certificates
from tests.support.forge.client import HOSTS, TOKEN, client_of


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for all tests: making them takes longer than most of these."""
    return make_certificates(tmp_path_factory.mktemp("forge") / "certificates", HOSTS.values())


@pytest.fixture
def forge(tmp_path: Path, certificates: Certificates) -> Iterator[Forge]:
    """A forge of the test's own, with github.com, gitlab.com and codeberg.org."""
    with Forge(tmp_path / "forge", [(host, kind) for kind, host in HOSTS.items()], certificates) as forge:
        yield forge


@pytest.fixture
def make(forge: Forge) -> Iterator[Make]:
    """Make an adapter of a kind, and the project that it asks for."""
    made: list[Client] = []

    def run(kind: Kind, path: str = "acme/lib", *, token: str = TOKEN) -> Side:
        hand = client_of(forge, kind, path)
        prefix = {"github": "/api/v3", "gitlab": "/api/v4", "forgejo": "/api/v1"}[kind]
        description = {"github": described.github, "gitlab": described.gitlab, "forgejo": described.forgejo}[kind]()
        context = ssl.create_default_context(cafile=forge.certificates.ca)
        held = Held(httpx2.HTTPTransport(verify=context), description)
        pauses: list[float] = []
        endpoint = Endpoint(hand.site.host, f"https://localhost:{hand.port}{prefix}", token, ("THE_TOKEN",))
        adapter = adapter_of(kind)
        assert adapter is not None
        client = Client(endpoint, adapter.headers(token), transport=held, sleep=pauses.append)
        made.append(client)
        return Side(adapter(client), Project(hand.site.host, path), hand, held, pauses)

    yield run
    for client in made:
        client.close()


@pytest.fixture(params=KINDS)
def side(request: pytest.FixtureRequest, make: Make) -> Side:
    """An adapter of each kind."""
    return make(request.param)
