"""What the forges know of updates: their pull requests, and how these stand."""

from collections.abc import Iterable
from contextlib import suppress

from flakesync.documents.pulls.status import Stage
from flakesync.forge.hosts import Servers
from flakesync.forge.lookup import PullLookup
from flakesync.forge.model import ForgeError, MergeStatus, OnForge, Pull, PullQuestion
from flakesync.git.repository import Repository
from flakesync.publish.body import pulls_in, was_abandoned
from flakesync.publish.branches import Branches, at_commit, bring, has_landed
from flakesync.publish.standing.found import Standing, failing, stage_of_branches


class PullLook:
    """Looks at the pull requests of repos whose branches are known; one that fails does so alone.

    `ask` and `ask_merge_status` may be called by several threads at once, each for another repo. Raises: GitError(
    `no-git`): there is no git where one is needed.
    """

    def __init__(self, servers: Servers) -> None:
        """servers: where the forges are."""
        self._servers = servers
        self._pulls = PullLookup()

    def expect(self, every: Iterable[Standing]) -> None:
        """Take note of the repos whose pull requests are asked for next: a forge is asked about many at once."""
        for found in every:
            if found.on_forge is not None and found.branches is not None:
                on_forge, branches = found.on_forge, found.branches
                question = PullQuestion(on_forge.project, branches.branch, branches.base_name)
                self._pulls.expect([(on_forge.forge, question)])

    def ask(self, found: Standing) -> None:
        """Ask the forge of a repo for its pull request."""
        on_forge, branches = found.on_forge, found.branches
        if on_forge is None or branches is None:
            return
        with failing(found):
            pull = self._pulls.find(on_forge, head=branches.branch, base=branches.base_name)
            found.named = pulls_in(pull.body) if pull is not None else {}
            found.pull = pull
            found.settle(self._stage(found, branches, pull))

    def ask_many(self, every: Iterable[Standing]) -> None:
        """Ask each forge how the open pull requests stand, as far as it tells of many at once."""
        forges: dict[int, list[tuple[OnForge, Standing]]] = {}
        for found in every:
            if found.is_open and found.on_forge is not None:
                forges.setdefault(id(found.on_forge.forge), []).append((found.on_forge, found))
        for each in forges.values():
            pulls = [(on_forge.project, found.pull) for on_forge, found in each if found.pull is not None]
            with suppress(ForgeError):  # whatever it is, it is said of each repo
                told = each[0][0].forge.find_statuses(pulls)
                for on_forge, found in each:
                    if found.pull is not None and (on_forge.project, found.pull.number) in told:
                        found.pull, found.merge_status = told[on_forge.project, found.pull.number]

    def ask_merge_status(self, found: Standing) -> None:
        """Ask the forge of a repo how its open pull request stands, unless that is known."""
        if found.on_forge is not None and found.pull is not None and found.merge_status is None:
            with failing(found):
                found.pull, found.merge_status = _ask(found.on_forge, found.pull)

    def _stage(self, found: Standing, branches: Branches, pull: Pull | None) -> Stage:
        """Return the stage of an update, of its branch and its pull request together."""
        of_branches = stage_of_branches(found, branches)
        if pull is None or of_branches == "landed":
            return of_branches
        same = pull.head in ("", found.commit or found.tip)
        if found.taken is None and pull.state == "merged" and same and self._is_merged(found, branches, pull):
            return "landed"
        if pull.state == "open":
            return "open"
        return "closed" if pull.state == "closed" and same and not was_abandoned(pull.body) else of_branches

    def _is_merged(self, found: Standing, branches: Branches, pull: Pull) -> bool:
        if pull.merged_rev is None:
            return True
        # The forge says so; the base may have been moved back since.
        with Repository.open(branches.clone) as repository:
            bring(repository, at_commit(found.state), branches, self._servers)
            return has_landed(repository, branches, pull.merged_rev)


def _ask(on_forge: OnForge, pull: Pull) -> tuple[Pull, MergeStatus]:
    """Return an open pull request with all that its forge knows of it."""
    forge, project = on_forge.forge, on_forge.project
    if pull.mergeable is None:  # a list of pull requests does not say it
        pull = forge.get(project, pull.number)
    return pull, forge.merge_status(project, pull)
