"""A forge in memory that merges for real, and a workspace that is synced, published and landed on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from flakesync.cache.layout import cache_dir
from flakesync.demo.forge.storage import MergeConflictError, Storage
from flakesync.documents.land import LandDocument, LandOutcome
from flakesync.documents.publish import PublishDocument
from flakesync.documents.sync import Listener
from flakesync.forge.hosts import Servers
from flakesync.forge.model import Checks, Forge, ForgeError, MergeMethod, NewPull, Project, Pull, Reviews, Standing
from flakesync.land.land import land
from flakesync.publish.publish import publish
from flakesync.survey.read import read_graph
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options, Patience
from flakesync.terms import RepoName, Rev
from flakesync.workspace.manifest import load_workspace, select
from flakesync.workspace.model import ForgeKind, Repo
from tests.support.nixspace import UPDATE_BRANCH, Ran, Space, drift_of, run_sync

Way = Literal["merge", "squash", "rebase", "rebase-merge", "fast-forward"]


@dataclass
class MemoryForge:
    """Pull requests of repositories in a folder, without a server.

    way: how it merges by default. checks, reviews: by branch head, else of all. delete: whether a merged branch goes.
    on_merge: called before it merges.
    """

    root: Path
    way: Way = "merge"
    delete: bool = False
    kind: ForgeKind = "github"
    checks: dict[str, Checks] = field(default_factory=dict)
    reviews: dict[str, Reviews] = field(default_factory=dict)
    drafts: set[str] = field(default_factory=set)
    pulls: dict[str, list[Pull]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    on_merge: Callable[[Project, Pull], None] = lambda *_: None

    def storage(self, name: str) -> Storage:
        """Return a repository."""
        return Storage(self.root / name / ".git")

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        self.calls.append(f"find {project.path}")
        known = [self._now(project, pull) for pull in reversed(self.pulls.get(project.path, []))]
        known = [pull for pull in known if (pull.head_branch, pull.base_branch) == (head, base)]
        return next((pull for pull in known if pull.state == "open"), known[0] if known else None)

    def create(self, project: Project, new: NewPull) -> Pull:
        self.calls.append(f"create {project.path}")
        head = self.storage(project.path).branch(new.head_branch)
        assert head is not None, f"{project.path} has no branch {new.head_branch}"
        pulls = self.pulls.setdefault(project.path, [])
        assert not any(pull.state == "open" for pull in pulls), f"{project.path} gets a second pull request"
        number = len(pulls) + 1
        url = f"https://forge.test/{project.path}/pulls/{number}"
        pull = Pull(number, url, "open", new.title, new.body, Rev(head), new.head_branch, new.base_branch)
        pulls.append(pull)
        return pull

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        self.calls.append(f"update {project.path}")
        return self._put(project, replace(self.get(project, pull.number), title=title, body=body))

    def dress(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        return pull

    def reopen(self, project: Project, pull: Pull) -> Pull:
        return self._put(project, replace(self.get(project, pull.number), state="open"))

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        self.calls.append(f"close {project.path}")
        pull = self.get(project, pull.number)
        return self._put(project, replace(pull, state="closed", body=pull.body if body is None else body))

    def get(self, project: Project, number: int) -> Pull:
        return self._now(project, self.pulls[project.path][number - 1])

    def standing(self, project: Project, pull: Pull) -> Standing:
        checks = self.checks.get(pull.head, self.checks.get(project.path, "none"))
        return Standing(checks, self.reviews.get(project.path, "none"))

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        self.on_merge(project, pull)
        self.calls.append(f"merge {project.path}")
        if self.get(project, pull.number).head != head:
            raise ForgeError("head-moved", f"{pull.url}: its head moved")
        return self.press(project.path, self.way if method == "default" else method)

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        """Know nothing of dependencies."""

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        return f"https://forge.test/{project.path}/compare/{old}...{new}"

    def press(self, name: str, way: Way | None = None) -> Pull:
        """Merge the open pull request of a repository, as a person who presses the button does."""
        storage, project = self.storage(name), Project("forge.test", name)
        pull = next(self._now(project, pull) for pull in self.pulls[name] if pull.state == "open")
        base = storage.branch(pull.base_branch)
        assert base is not None
        try:
            merged = storage.merge(base, pull.head, way or self.way, f"{pull.title} (#{pull.number})")
        except MergeConflictError:
            raise ForgeError("forge-conflict", f"{pull.url} cannot be merged") from None
        storage.set_branch(pull.base_branch, merged, base)
        if self.delete:
            storage.set_branch(pull.head_branch, None, pull.head)
        return self._put(project, replace(pull, state="merged", merged_rev=Rev(merged)))

    def _now(self, project: Project, pull: Pull) -> Pull:
        head = self.storage(project.path).branch(pull.head_branch)
        pull = replace(pull, draft=project.path in self.drafts)
        return replace(pull, head=Rev(head)) if pull.state == "open" and head is not None else pull

    def _put(self, project: Project, pull: Pull) -> Pull:
        self.pulls[project.path][pull.number - 1] = pull
        return pull


class MemoryServers(Servers):
    """One forge for all repos. plain: repos on a server without one."""

    def __init__(self, space: "Landing", plain: Sequence[str] = ()) -> None:
        super().__init__(load_workspace(space.file), {})
        self._forge = space.forge
        self._plain = plain

    def for_repo(self, repo: Repo, url: str | None = None) -> tuple[Forge | None, Project]:
        return (None if repo.name in self._plain else self._forge), Project("forge.test", repo.name)


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
        document = publish(workspace, read_graph(workspace, at="update"), selected, MemoryServers(self, self.plain))
        assert [outcome.error for outcome in document.repos if outcome.error] == []
        return document

    def land(
        self,
        *only: str,
        merge: bool = True,
        wait: Callable[[], None] | None = None,
        locker: LockerChoice = "auto",
        listener: Listener = lambda _: None,
    ) -> "Landed":
        """Do what `flakesync land` does. wait: `--wait`, and called for each pause."""
        workspace = load_workspace(self.file)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if wait is not None:
                wait()

        patience = Patience(wait=wait is not None, sleep=sleep, clock=lambda: sum(slept), timeout_s=1000)
        servers = MemoryServers(self, self.plain)
        selected = select(workspace, only, (), ())
        options = Options(cache=cache_dir(), merge=merge, patience=patience, locker=locker)
        return Landed(land(workspace, selected, servers, options, listener))

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


__all__ = ["Landed", "Landing", "MemoryForge", "RepoName"]
