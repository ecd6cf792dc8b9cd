"""A forge in memory: pull requests of the git repositories in a folder, without a server, merged for real.

forge = MemoryForge(tmp_path / "server")                    # has NAME.git, or clones NAME
publish(workspace, graph, selected, MemoryServers(workspace, forge))
forge.press("lib", "squash")                                # as a person in a browser
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from flakesync.demo.forge.storage import MergeConflictError, Storage
from flakesync.forge.hosts import Servers
from flakesync.forge.model import (
    Check,
    Checks,
    Forge,
    ForgeError,
    MergeMethod,
    MergeStatus,
    NewPull,
    OnForge,
    Project,
    Pull,
    PullQuestion,
    Push,
    Reviews,
)
from flakesync.terms import Rev
from flakesync.workspace.model import Repo, Workspace

HOST = "forge.test"

Way = Literal["merge", "squash", "rebase", "rebase-merge", "fast-forward"]


@dataclass
class MemoryForge:
    """A forge that lives in the test. It reads heads from the repositories in `root`, as a real one would.

    way: how it merges by default. delete: whether a merged branch goes. checks: by branch head, else by name. drafts:
    names whose pull requests are drafts. merge_statuses: by name, in place of checks and reviews. calls: (what, name)
    of each. fail: (what, name) → the error that is raised before anything is done. depends: name → addresses of the
    pull requests that its own waits for. on_merge: called before it merges.
    """

    root: Path
    way: Way = "merge"
    delete: bool = False
    kind: str = "github"
    checks: dict[str, Checks] = field(default_factory=dict)
    reviews: dict[str, Reviews] = field(default_factory=dict)
    drafts: set[str] = field(default_factory=set)
    merge_statuses: dict[str, MergeStatus] = field(default_factory=dict)
    pulls: dict[str, list[Pull]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail: dict[tuple[str, str], ForgeError] = field(default_factory=dict)
    depends: dict[str, list[str]] = field(default_factory=dict)
    on_merge: Callable[[Project, Pull], None] = lambda *_: None

    # ---- what a person sees and does -------------------------------------------------------------------------------

    def storage(self, name: str) -> Storage:
        """Return a repository: NAME.git, else the clone NAME."""
        bare = self.root / f"{name}.git"
        return Storage(bare if bare.exists() else self.root / name / ".git")

    def one(self, name: str) -> Pull:
        """Return the only pull request of a repository."""
        (pull,) = self.pulls[name]
        return pull

    def put(self, project: Project, pull: Pull) -> Pull:
        """Set a pull request, as a person in a browser would."""
        pull = self._at_head(project, pull)
        self.pulls[project.path][pull.number - 1] = pull
        return self._now(project, pull)

    def press(self, name: str, way: Way | None = None) -> Pull:
        """Merge the open pull request of a repository, as a person who presses the button does."""
        storage, project = self.storage(name), Project(HOST, name)
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
        return self.put(project, replace(pull, state="merged", merged_rev=Rev(merged)))

    # ---- Forge -----------------------------------------------------------------------------------------------------

    def find(self, project: Project, *, head: str, base: str) -> Pull | None:
        self._call("find", project)
        found = [self._now(project, pull) for pull in reversed(self.pulls.get(project.path, []))]
        found = [pull for pull in found if (pull.head_branch, pull.base_branch) == (head, base)]
        return next((pull for pull in found if pull.state == "open"), found[0] if found else None)

    @property
    def at_once(self) -> int:
        return 1

    def expect_calls(self, calls: int, makes: int = 0) -> None:
        """It has no limits."""

    def find_many(self, questions: Sequence[PullQuestion]) -> Mapping[PullQuestion, Pull | None]:
        return {}

    def create(self, project: Project, new: NewPull) -> Pull:
        self._call("create", project)
        mine = self.pulls.setdefault(project.path, [])
        head = self.storage(project.path).branch(new.head_branch)
        assert head is not None, f"{project.path} has no branch {new.head_branch}: it has to be pushed first"
        assert not any(pull.state == "open" for pull in mine), f"{project.path} gets a second pull request"
        pull = Pull(
            number=len(mine) + 1, url=f"https://{HOST}/{project.path}/pull/{len(mine) + 1}", state="open",
            title=new.title, body=new.body, head=Rev(head), head_branch=new.head_branch, base_branch=new.base_branch,
            draft=new.draft, labels=new.labels,
        )  # fmt: skip
        mine.append(pull)
        return pull

    def update(self, project: Project, pull: Pull, *, title: str, body: str) -> Pull:
        self._call("update", project)
        return self.put(project, replace(self._known(project, pull), title=title, body=body))

    def add_labels(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        self._call("add_labels", project)
        pull = self._known(project, pull)
        return self.put(project, replace(pull, labels=tuple(dict.fromkeys([*pull.labels, *labels]))))

    def reopen(self, project: Project, pull: Pull) -> Pull:
        self._call("reopen", project)
        return self.put(project, replace(self._known(project, pull), state="open"))

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        self._call("close", project)
        pull = self._known(project, pull)
        return self.put(project, replace(pull, state="closed", body=pull.body if body is None else body))

    def get(self, project: Project, number: int) -> Pull:
        self._call("get", project)
        return self._now(project, self.pulls[project.path][number - 1])

    def merge_status(self, project: Project, pull: Pull) -> MergeStatus:
        self._call("merge_status", project)
        checks = self.checks.get(pull.head, self.checks.get(project.path, "none"))
        usual = MergeStatus(checks, self.reviews.get(project.path, "none"))
        return self.merge_statuses.get(project.path, usual)

    def find_statuses(
        self, pulls: Sequence[tuple[Project, Pull]]
    ) -> Mapping[tuple[Project, int], tuple[Pull, MergeStatus]]:
        return {}

    def merge(self, project: Project, pull: Pull, *, head: Rev, method: MergeMethod) -> Pull:
        self.on_merge(project, pull)
        self._call("merge", project)
        if self._now(project, self._known(project, pull)).head != head:
            raise ForgeError("head-moved", f"{pull.url}: its head moved")
        return self.press(project.path, self.way if method == "default" else method)

    def depend(self, project: Project, pull: Pull, on: Sequence[tuple[Project, Pull]]) -> None:
        self._call("depend", project)
        self.depends[project.path] = [upstream.url for _, upstream in on]

    def pushes(self, project: Project, branch: str, *, since: int) -> Sequence[Push]:
        self._call("pushes", project)
        return ()

    def commit_checks(self, project: Project, rev: Rev) -> Sequence[Check]:
        self._call("commit_checks", project)
        return ()

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        return f"https://{project.host}/{project.path}/compare/{old}...{new}"

    def _call(self, what: str, project: Project) -> None:
        self.calls.append((what, project.path))
        if (what, project.path) in self.fail:
            raise self.fail[what, project.path]

    def _known(self, project: Project, pull: Pull) -> Pull:
        return self._at_head(project, self.pulls[project.path][pull.number - 1])

    def _now(self, project: Project, pull: Pull) -> Pull:
        """Return a pull request as the forge shows it."""
        return replace(self._at_head(project, pull), draft=pull.draft or project.path in self.drafts)

    def _at_head(self, project: Project, pull: Pull) -> Pull:
        """Return a pull request with the head of its branch; one that is not open keeps the head that it had."""
        head = self.storage(project.path).branch(pull.head_branch) if pull.state == "open" else None
        return replace(pull, head=Rev(head)) if head is not None else pull


class MemoryServers(Servers):
    """All repos are on one forge, except those whose address names another host.

    plain: names of repos on a server that is no forge.
    """

    def __init__(self, workspace: Workspace, forge: Forge | None, plain: Sequence[str] = ()) -> None:
        """forge: None for a server that is none."""
        super().__init__(workspace, {})
        self._forge = forge
        self._plain = plain

    def for_repo(self, repo: Repo, url: str | None = None) -> OnForge | None:
        identity = repo.url.identity if repo.url is not None else None
        if identity is not None and identity.host:
            return super().for_repo(repo, url)
        if self._forge is None or repo.name in self._plain:
            return None
        return OnForge(self._forge, Project(HOST, str(repo.name)))
