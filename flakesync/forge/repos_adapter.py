"""What GitHub's API and Forgejo's have in common: their addresses, and how a pull request is changed."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from flakesync.forge.adapter import Adapter
from flakesync.forge.client import Client
from flakesync.forge.model import Home, Project, Pull
from flakesync.forge.urls import repository
from flakesync.terms import Rev


class _Repo(msgspec.Struct, frozen=True):
    full_name: str
    archived: bool | None = None


class ReposAdapter(Adapter):
    """A forge whose repositories are at `/repos/OWNER/NAME`, and whose pull requests are issues as well."""

    def reopen(self, project: Project, pull: Pull) -> Pull:
        """Open a closed pull request again."""
        return self._edit(project, pull, {"state": "open"})

    def close(self, project: Project, pull: Pull, *, body: str | None = None) -> Pull:
        """Close an open pull request without merging it. body: its new text; None: it stays."""
        more = {} if body is None else {"body": body}
        return self._edit(project, pull, {"state": "closed", **more})

    def add_labels(self, project: Project, pull: Pull, *, labels: Sequence[str], reviewers: Sequence[str]) -> Pull:
        """Add the labels that it has not (new ones are made), and ask reviewers: `name`, or a team, `org/team`."""
        missing = [label for label in labels if label not in pull.labels]
        if missing:
            body = {"labels": self._label_keys(project, missing)}
            self._at.tell(project, "POST", f"/issues/{pull.number}/labels", body=body, again=True)
            pull = replace(pull, labels=(*pull.labels, *missing))
        if reviewers:
            people = [name for name in reviewers if "/" not in name]
            teams = [name.rpartition("/")[2] for name in reviewers if "/" in name]
            asked = {key: names for key, names in (("reviewers", people), ("team_reviewers", teams)) if names}
            self._at.tell(
                project, "POST", f"/pulls/{pull.number}/requested_reviewers", body=asked, again=True, makes=True
            )
        return pull

    def compare_url(self, project: Project, old: Rev, new: Rev) -> str:
        """Return the page that shows what lies between two commits."""
        return f"https://{project.host}/{repository(project.path)}/compare/{old}...{new}"

    @staticmethod
    def _root(project: Project) -> str:
        return f"/repos/{repository(project.path)}"

    @staticmethod
    def _find_home(client: Client, project: Project) -> Home:
        found = client.call("GET", ReposAdapter._root(project), _Repo)
        return Home(replace(project, path=found.full_name), found.archived)

    @abstractmethod
    def _edit(self, project: Project, pull: Pull, body: dict[str, object]) -> Pull:
        """Change these fields of a pull request; return it so."""

    @abstractmethod
    def _label_keys(self, project: Project, names: Sequence[str]) -> Sequence[str | int]:
        """Return what the forge knows labels by; those that it lacks are made, here or by the call that names them."""
