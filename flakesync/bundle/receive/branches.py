"""The branches of a repo move to where a bundle has them: base branches go on, update branches may be replaced."""

from flakesync.bundle.receive.repositories import INCOMING
from flakesync.documents.airgap.imported import ImportedBranch
from flakesync.documents.airgap.manifest import BundleBranch, BundleRepo
from flakesync.errors import FlakesyncError, SyncError
from flakesync.git.remotes import transfer
from flakesync.git.remotes.remote import Remote, list_refs
from flakesync.git.repository import Repository
from flakesync.terms import Rev
from flakesync.update.commit import split_commits


class BareTarget:
    """Branches of a bare repository here."""

    def __init__(self, repository: Repository) -> None:
        """repository: it has the commits already."""
        self._repository = repository
        self.default = repository.reader.symbolic_ref("HEAD")

    def tips(self, names: list[str]) -> dict[str, Rev]:
        """Return the commits of the branches that are there."""
        found = {name: self._repository.ref(f"refs/heads/{name}") for name in names}
        return {name: tip for name, tip in found.items() if tip is not None}

    def move(self, name: str, new: Rev, old: Rev | None) -> None:
        """Move a branch that is at `old`, None: it is not there. Raises: GitError."""
        if self._repository.bare:
            self._repository.update_ref(f"refs/heads/{name}", new, old=old, message="flakesync: import")
            return
        raise FlakesyncError("not-bare", f"{self._repository.path} has a working tree", hint="--repos: bare ones only")


class PushTarget:
    """Branches of a server. repository: a mirror of it, that has the new commits too."""

    def __init__(self, repository: Repository, remote: Remote, default: str | None) -> None:
        """default: the full name of the branch that is never replaced; None: not known."""
        self._repository = repository
        self._remote = remote
        self.default = default

    def tips(self, names: list[str]) -> dict[str, Rev]:
        """Return the commits of the branches that the server has now. Raises: GitError."""
        refs = list_refs(self._remote, [f"refs/heads/{name}" for name in names])
        return {name: refs[f"refs/heads/{name}"] for name in names if f"refs/heads/{name}" in refs}

    def move(self, name: str, new: Rev, old: Rev | None) -> None:
        """Move a branch that is at `old`, None: it is not there. Raises: GitError."""
        transfer.push(self._repository.path, self._remote, f"refs/heads/{name}", new, old=old)


Target = BareTarget | PushTarget


def move_branches(
    repository: Repository, repo: BundleRepo, target: Target
) -> tuple[list[ImportedBranch], list[FlakesyncError]]:
    """Move each branch of a repo that may; return what has become of them, and why some have not moved.

    The base branches come first. Raises: FlakesyncError: the branches cannot be asked for.
    """
    branches = sorted(repo.branches, key=lambda branch: (branch.update, branch.name))
    tips = target.tips([branch.name for branch in branches])
    bases = [Rev(branch.tip) for branch in branches if not branch.update]
    moved: list[ImportedBranch] = []
    errors: list[FlakesyncError] = []
    for branch in branches:
        old, new = tips.get(branch.name), Rev(branch.tip)
        try:
            stays = old is not None and not _goes_on(repository, branch, old, bases, target.default)
            if not stays:
                target.move(branch.name, new, old)
            status = "unchanged" if stays else "new" if old is None else "moved"
        except FlakesyncError as error:
            errors.append(error)
            status = "failed"
        moved.append(
            ImportedBranch(
                name=repo.name,
                branch=branch.name,
                from_=old,
                to=old if old is not None and status in ("unchanged", "failed") else branch.tip,
                status=status,  # type: ignore[arg-type]  # one of the four above
            )
        )
    return moved, errors


def unmoved(repo: BundleRepo) -> list[ImportedBranch]:
    """Return the branches of a repo none of which was looked at, as something that it needs is not there."""
    return [
        ImportedBranch(name=repo.name, branch=branch.name, from_=None, to=branch.tip, status="failed")
        for branch in repo.branches
    ]


def _goes_on(repository: Repository, branch: BundleBranch, old: Rev, bases: list[Rev], default: str | None) -> bool:
    """Tell whether a branch moves; not where it is there, or further on, already.

    Raises: FlakesyncError: `not-forward`: it has commits that the new tip has not; `foreign-branch`: one of them, of an
        update branch, is somebody's.
    """
    new = Rev(branch.tip)
    if not repository.has(old):
        raise _not_forward(branch, f"is at {old[:12]}, which is not here")
    history = repository.history
    if history.is_ancestor(new, old):
        return False
    if history.is_ancestor(old, new):
        return True
    if not branch.update or default == f"refs/heads/{branch.name}":
        raise _not_forward(branch, f"is at {old[:12]}, from which {new[:12]} does not descend")
    _, other = split_commits(repository, old, [new, *(base for base in bases if repository.has(base))])
    if other is not None:
        message = f"{branch.name} has a commit that flakesync did not make: {other.rev[:12]}"
        hint = "move that commit to another branch, or delete the branch, then import again"
        raise SyncError("foreign-branch", message, hint=hint)
    return True


def _not_forward(branch: BundleBranch, why: str) -> FlakesyncError:
    hint = f"the bundle's commit is in {INCOMING}{branch.name} there: merge the two, and bundle that the other way"
    return FlakesyncError("not-forward", f"{branch.name} {why}", hint=hint)
