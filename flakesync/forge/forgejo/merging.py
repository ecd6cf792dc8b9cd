"""What keeps a pull request of Forgejo or Gitea from being merged: statuses, branch protection, issue dependencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from flakesync.forge.calls import ProjectCalls
from flakesync.forge.model import Check, Checks, Project, Pull
from flakesync.forge.refusals import Refused
from flakesync.forge.urls import segment
from flakesync.terms import Rev

_PAGE = 50
_CHECKS: dict[str, Checks] = {
    "success": "passed",
    "warning": "passed",
    "skipped": "passed",
    "error": "failed",
    "failure": "failed",
}
_SUCCESS = "success"


class _Status(msgspec.Struct, frozen=True):
    context: str
    status: str = ""
    id: int = 0

    @property
    def state(self) -> Checks:
        return _CHECKS.get(self.status, "pending")


class _Branch(msgspec.Struct, frozen=True):
    enable_status_check: bool = False
    # Globs.
    status_check_contexts: tuple[str, ...] | None = None


class _Issue(msgspec.Struct, frozen=True):
    html_url: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Merging:
    """Asks one Forgejo or Gitea. Threads may share it."""

    at: ProjectCalls

    def checks(self, project: Project, rev: Rev) -> list[Check]:
        """Return the newest result of each check of a commit."""
        return [Check(each.context, each.state, each.status != "skipped") for each in self._newest(project, rev)]

    def missing(self, project: Project, pull: Pull) -> list[str]:
        """Return the required checks, which may be globs, that have not passed; none where that cannot be read."""
        try:
            branch = self.at.call(project, "GET", f"/branches/{segment(pull.base_branch)}", _Branch)
        except Refused:
            return []
        statuses = self._newest(project, pull.head)
        # Forgejo is not content with a `warning`, Gitea is.
        return _unmet(branch, [each for each in statuses if each.state == "passed"], statuses) or _unmet(
            branch, [each for each in statuses if each.status == _SUCCESS], statuses
        )

    def open_dependencies(self, project: Project, pull: Pull) -> list[str]:
        """Return the addresses of what an issue dependency makes a pull request wait for."""
        try:
            rest = f"/issues/{pull.number}/dependencies"
            listed = self.at.each(project, rest, _Issue, lambda _: {"limit": _PAGE})
            return [each.html_url for each in listed if each.state == "open"]
        except Refused:  # switched off, or the token may not read issues
            return []

    def _newest(self, project: Project, rev: Rev) -> list[_Status]:
        """Return the newest status of each context of a commit.

        The combined status will not do: it covers one page of them, and a warning hides what is still pending.
        """
        newest: dict[str, _Status] = {}
        for each in self.at.each(project, f"/commits/{rev}/statuses", _Status, lambda _: {"limit": _PAGE}):
            known = newest.setdefault(each.context, each)
            if each.id > known.id:
                newest[each.context] = each
        return list(newest.values())


def _unmet(branch: _Branch, good: Sequence[_Status], statuses: Sequence[_Status]) -> list[str]:
    """Return the names, or globs, of what a branch demands and has not got. good: the statuses that count as passed."""
    bad = [each.context for each in statuses if each not in good]
    if not branch.status_check_contexts:
        return (bad if statuses else ["there is none yet"]) if branch.enable_status_check else []
    return [
        context
        for context in branch.status_check_contexts
        if any(fnmatchcase(name, context) for name in bad)
        or not any(fnmatchcase(each.context, context) for each in good)
    ]
