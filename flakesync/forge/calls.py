"""Calls to a forge's API about one repository; a repository that has moved is found under its new name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar, Unpack

from flakesync.forge.client import CallOptions, Client, Query
from flakesync.forge.model import Home, Project
from flakesync.forge.refusals import Moved, Refused

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProjectCalls:
    """Calls below the address of a repository.

    A repository that was renamed or transferred answers with a redirect, or not at all, by its old name. Its own answer
    then says what it is called now, and every later call goes there: a filter by the old owner would find nothing.

    root: the address of a repository below the API's base. find_home: asks where a repository is by now.
    """

    client: Client
    root: Callable[[Project], str]
    find_home: Callable[[Client, Project], Home]
    _homes: dict[Project, Project] = field(default_factory=dict)

    def home(self, project: Project) -> Project:
        """Return what a repository is called now, as far as that is known."""
        return self._homes.get(project, project)

    def call(self, project: Project, method: str, rest: str, expect: type[T], **options: Unpack[CallOptions]) -> T:
        """Call `rest` below the address of a repository, and return its answer; see `Client.call`."""
        return self._at_home(
            project, lambda root: self.client.call(method, f"{root}{rest}", expect, follow=False, **options)
        )

    def tell(self, project: Project, method: str, rest: str, **options: Unpack[CallOptions]) -> None:
        """Call `rest` below the address of a repository; the answer is of no interest."""
        self._at_home(project, lambda root: self.client.tell(method, f"{root}{rest}", follow=False, **options))

    def each(self, project: Project, rest: str, item: type[T], query: Callable[[Project], Query]) -> Iterator[T]:
        """Give the items of a list of a repository. query: made for what the repository is called now."""
        home = self.home(project)
        try:
            yield from self.client.each(f"{self.root(home)}{rest}", item, query=query(home), follow=False)
        except Moved:  # said by the first page, before anything was given
            home = self._learn(project)
            yield from self.client.each(f"{self.root(home)}{rest}", item, query=query(home))

    def _at_home(self, project: Project, act: Callable[[str], T]) -> T:
        try:
            return act(self.root(self.home(project)))
        except Moved:
            pass
        except Refused as refusal:
            # GitLab leads on only those who read.
            if refusal.status != 405 or "moved projects" not in refusal.words.lower():
                raise
        return act(self.root(self._learn(project)))

    def _learn(self, project: Project) -> Project:
        self._homes[project] = self.find_home(self.client, project).project
        return self._homes[project]
