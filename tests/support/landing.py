"""A workspace that is synced, published and landed on a forge in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flakesync.cache.layout import cache_dir
from flakesync.documents.pulls.land import LandDocument, LandOutcome
from flakesync.documents.pulls.publish import PublishDocument
from flakesync.land.documents import land_document
from flakesync.land.land import land
from flakesync.land.outcome import LandOutcome as LandOutcomeValue
from flakesync.publish.documents import publish_document
from flakesync.publish.publish import publish
from flakesync.survey.read import read_graph
from flakesync.sync.events import Listener
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options, Patience
from flakesync.terms import Rev
from flakesync.workspace.manifest import load_workspace, select
from tests.support.memory_forge import MemoryForge, MemoryServers
from tests.support.nixspace import UPDATE_BRANCH, Ran, Space, drift_of, run_sync


class Landing:
    """A workspace whose repos are known by address alone, on a forge in memory."""

    def __init__(self, space: Space, *, plain: Sequence[str] = (), **settings: object) -> None:
        """plain: repos on a server that is no forge. settings: of `[publish]` and of `space.manifest`."""
        self.space = space
        for name in space.names:
            # Pushing the base is allowed, as on a bare repository.
            with (space.path(name) / ".git/config").open("a") as config:
                config.write("[receive]\n\tdenyCurrentBranch = ignore\n")
        self.file = space.manifest(mirrored=space.names, **settings)  # type: ignore[arg-type]
        self.forge = MemoryForge(space.root)
        self.plain = plain

    def sync(self, *only: str) -> Ran:
        """Do what `flakesync sync` does."""
        return run_sync(self.file, only=only, locker="auto")

    def publish(self, *only: str) -> PublishDocument:
        """Do what `flakesync publish` does; nothing may fail."""
        workspace = load_workspace(self.file)
        selected = select(workspace, only, (), ())
        servers = MemoryServers(workspace, self.forge, self.plain)
        results = publish(workspace, read_graph(workspace, at="update"), selected, servers)
        document = publish_document(results, workspace.branch)
        assert [outcome.error for outcome in document.repos if outcome.error] == []
        return document

    def land(
        self,
        *only: str,
        merge: bool = True,
        wait: Callable[[], None] | None = None,
        locker: LockerChoice = "auto",
        listener: Listener[LandOutcomeValue] = lambda _: None,
    ) -> "Landed":
        """Do what `flakesync land` does. wait: `--wait`, and called for each pause."""
        workspace = load_workspace(self.file)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if wait is not None:
                wait()

        patience = Patience(wait=wait is not None, sleep=sleep, clock=lambda: sum(slept), timeout_s=1000)
        servers = MemoryServers(workspace, self.forge, self.plain)
        selected = select(workspace, only, (), ())
        options = Options(cache=cache_dir(), merge=merge, patience=patience, locker=locker)
        return Landed(land_document(land(workspace, selected, servers, options, listener)))

    def tip(self, name: str, branch: str = "main") -> Rev | None:
        """Return the tip of a branch."""
        return self.space.ref(name, f"refs/heads/{branch}")

    def update(self, name: str) -> Rev | None:
        """Return the tip of the update branch on the server."""
        return self.tip(name, UPDATE_BRANCH)

    def drift(self) -> list[tuple[str, str, str | None]]:
        """Return the drift of the bases."""
        return [(found.kind, found.repo, found.input) for found in drift_of(self.file, at="base")]

    def base_locked(self, name: str, path: str) -> dict[str, object]:
        """Return `locked` of an input on the base branch."""
        return dict(self.space.locked(name, path, rev=self.space.tip(name)))

    def assert_done(self) -> None:
        """Everything has landed: no drift, no update branch, and no lock that names one or a commit of one."""
        assert self.drift() == []
        assert [name for name in self.space.names if self.update(name)] == []
        for name in self.space.names:
            text = self.forge.storage(name).git("show", "main:flake.lock")
            assert UPDATE_BRANCH not in text, name


@dataclass(frozen=True)
class Landed:
    """What a landing answered."""

    document: LandDocument

    def __getitem__(self, name: str) -> LandOutcome:
        return next(outcome for outcome in self.document.repos if outcome.repo == name)

    @property
    def statuses(self) -> dict[str, str]:
        """Repo → status."""
        return {outcome.repo: outcome.status for outcome in self.document.repos}

    @property
    def checks(self) -> dict[str, str | None]:
        """Repo → how its checks stand."""
        return {outcome.repo: outcome.checks for outcome in self.document.repos}

    @property
    def errors(self) -> dict[str, str]:
        """Repo → code of its error."""
        return {outcome.repo: outcome.error.code for outcome in self.document.repos if outcome.error is not None}
