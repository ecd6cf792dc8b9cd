"""A branch on a forge of each kind, or on a plain git server, with any history and any record of pushes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from flakesync.cooldown.evidence import checks_of, find_candidates, has_in_history
from flakesync.cooldown.model import Candidates, CommitChecks
from flakesync.demo.forge.model import BranchMove, Kind, Project, Site
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import ForgeSettings
from flakesync.workspace.settings.cooldown import Conditions
from tests.support.forge import Certificates, Forge, make_certificates
from tests.support.forge.client import HOSTS
from tests.support.history import Shape, make_history
from tests.support.workspaces import workspace

DAY = 86_400
NOW = 20_700 * DAY + 7_200
TOKEN = "s3cret-token"
APIS: dict[Kind, str] = {"github": "/api/v3", "gitlab": "/api/v4", "forgejo": "/api/v1"}


def ago(days: float) -> int:
    """Return the time so many days before NOW."""
    return int(NOW - days * DAY)


@dataclass
class Place:
    """One branch. forge: None for a plain git server. url: of the repository, as a flake reference has it."""

    root: Path
    path: Path
    url: str
    hosts: Hosts
    forge: Forge | None = None
    site: Site | None = None
    project: Project | None = None
    ref: str | None = "main"

    @property
    def reference(self) -> FlakeRef:
        return FlakeRef.parse(f"{self.url}?ref={self.ref}" if self.ref is not None else self.url)

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def make(self, shape: Shape, *, filters: bool = True, file_bytes: int = 20) -> dict[str, Rev]:
        return make_history(self.path, shape, filters=filters, file_bytes=file_bytes)

    def moves(self, *moves: tuple[Rev, float] | tuple[Rev, float, str], branch: str = "main") -> None:
        """Let the forge have recorded that a branch got to these commits, so many days ago, oldest first."""
        assert self.project is not None
        before: str | None = None
        for rev, days, *kind in moves:
            self.project.moves.append(BranchMove(branch, before, rev, ago(days), kind[0] if kind else "push"))
            before = rev

    def find(
        self,
        tip: Rev,
        seen: Mapping[Rev, int] | None = None,
        *,
        online: bool = True,
        now: int = NOW,
        **conditions: object,
    ) -> Candidates:
        """Return the candidates, with a cooldown of 7 days unless said otherwise; the tip is seen now."""
        wanted = msgspec.convert({"cooldown_days": 7, **conditions}, Conditions)
        return find_candidates(
            self.reference,
            tip,
            wanted,
            {tip: now, **(seen or {})},
            now=now,
            hosts=self.hosts if online else None,
            cache=self.cache,
        )

    def checks(self, rev: Rev, *, online: bool = True) -> CommitChecks:
        return checks_of(self.reference, rev, self.hosts if online else None, self.cache)

    def has(self, rev: Rev, ancestor: Rev, *, online: bool = True) -> bool | None:
        return has_in_history(self.reference, rev, ancestor, self.hosts if online else None, self.cache)

    def api_calls(self) -> list[str]:
        """Return what the API was asked, without what git was."""
        assert self.forge is not None
        return [
            exchange.request.path for exchange in self.forge.requests(path=r"^/api/") if exchange.answer is not None
        ]

    def fetches(self) -> int:
        """Return how often git has fetched from the forge."""
        assert self.forge is not None
        return len(self.forge.requests("POST", path="git-upload-pack$"))


def told(found: Candidates, revs: Mapping[str, Rev]) -> list[tuple[str, int, str]]:
    """Return the candidates as (name, age in whole days, dated by)."""
    names = {rev: name for name, rev in revs.items()}
    return [(names[each.rev], NOW // DAY - each.time // DAY, each.dated_by) for each in found.commits]


def names(found: Candidates, revs: Mapping[str, Rev]) -> list[str]:
    return [name for name, _, _ in told(found, revs)]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates for all tests: making them takes longer than most of these."""
    return make_certificates(tmp_path_factory.mktemp("forge") / "certificates", HOSTS.values())


MakePlace = Callable[..., Place]


@pytest.fixture
def make_place(tmp_path: Path, certificates: Certificates) -> Iterator[MakePlace]:
    """Make a place on a forge of a kind; `None`: on a plain git server."""
    forges: list[Forge] = []

    def make(kind: Kind | None = "github", *, token: str | None = TOKEN, lacks: Sequence[str] = ()) -> Place:
        root = tmp_path / f"place{len(forges)}"
        root.mkdir()
        if kind is None:
            path = root / "server.git"
            return Place(root, path, f"git+file://{path}", Hosts(workspace([]), {}))
        forge = Forge(root / "forge", [(host, each) for each, host in HOSTS.items()], certificates).__enter__()
        forges.append(forge)
        site = forge.sites[HOSTS[kind]]
        site.add_account(TOKEN, "bot", "read", lacks=lacks)
        project = site.create("acme/lib")
        host = f"localhost:{forge.open_port(site.host)}"
        settings = ForgeSettings(
            kind=kind, api=f"https://{host}{APIS[kind]}", token_env="FORGE_TOKEN", ca_file=certificates.ca
        )
        environ = {"FORGE_TOKEN": token} if token is not None else {}
        hosts = Hosts(msgspec.structs.replace(workspace([]), forges={host: settings}), environ)
        url = f"git+https://{host}/acme/lib"
        return Place(root, project.storage.path, url, hosts, forge, site, project)

    yield make
    for forge in forges:
        forge.__exit__(None, None, None)


@pytest.fixture
def github(make_place: MakePlace) -> Place:
    return make_place("github")


@pytest.fixture
def plain(make_place: MakePlace) -> Place:
    return make_place(None)
