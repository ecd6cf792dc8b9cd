"""A stale pipeline never leads to a merge: whatever the order of pushes, pipelines and attempts to land."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import Project as HostedProject
from flakesync.demo.forge.model import Site
from flakesync.demo.forge.parts import Pipeline
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.gitlab.adapter import GitLab
from flakesync.forge.model import ForgeError, NewPull, Project, Pull, Waiting
from flakesync.land.gate import find_obstacle
from flakesync.terms import Rev
from tests.support import repos
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS, TOKEN
from tests.support.forge.clock import Clock

_numbers = itertools.count()

Event = tuple[str, str]
_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("push"), st.just("")),
    st.tuples(st.just("begin"), st.just("running")),
    st.tuples(st.just("end"), st.sampled_from(["success", "failed", "canceled", "manual"])),
    st.tuples(st.just("land"), st.just("")),
    st.tuples(st.just("re-pin and land"), st.just("")),
)


@dataclass
class Story:
    """One merge request, and the pipelines that were ever begun for its commits."""

    site: Site
    project: HostedProject
    forge: GitLab
    merged_results: bool
    begun: list[Pipeline] = field(default_factory=list)

    @property
    def place(self) -> Project:
        return Project(self.site.host, self.project.path)

    def push(self) -> Rev:
        tip = self.project.storage.branch("update")
        assert tip is not None
        files = {"flake.lock": f"{next(_numbers)}"}
        rev = repos.commit(self.project.storage.path, files, branch="update", parents=[Rev(tip)], message="Again")
        pulls.after_push(self.site, self.project)
        return rev

    def begin(self) -> None:
        head = self.project.pulls[0].head_rev
        pipeline = Pipeline(next(self.site.ids), head, "update", "running")
        if self.merged_results:
            # GitLab runs it on a commit that it makes of both branches, which is on neither.
            base = self.project.pulls[0].base_rev
            made = self.project.storage.git("commit-tree", f"{head}^{{tree}}", "-p", base, "-p", head, data=b"Both")
            self.project.storage.git("update-ref", "refs/merge-requests/1/merge", made)
            pipeline = Pipeline(pipeline.id, made, "refs/merge-requests/1/merge", "running", source_sha=head)
        self.project.pipelines.append(pipeline)
        self.begun.append(pipeline)

    def end(self, status: str) -> None:
        running = [each for each in self.begun if each.status == "running"]
        if running:
            running[0].status = status

    def land(self, head: Rev | None = None) -> Pull | None:
        """Do what landing does once the branch is as it should be; None: it was not merged."""
        pull = self.forge.get(self.place, 1)
        try:
            merge_status = self.forge.merge_status(self.place, pull)
            if find_obstacle(pull, merge_status, settling=False) is not None:
                return None
            merged = self.forge.merge(self.place, pull, head=head or pull.head, method="merge")
        except ForgeError:
            return None
        return None if isinstance(merged, Waiting) else merged


def a_story(forge: Forge, port: int, *, merged_results: bool) -> Iterator[Story]:
    site = forge.sites[HOSTS["gitlab"]]
    site.clock = clock = Clock()
    site.add_account(TOKEN)
    project = site.create(f"acme/story-{next(_numbers)}")
    main = repos.commit(project.storage.path, {"flake.lock": "0"}, message="Begin")
    repos.commit(project.storage.path, {"flake.lock": "1"}, branch="update", parents=[Rev(main)], message="Update")
    endpoint = Endpoint("localhost", f"https://localhost:{port}/api/v4", TOKEN, ca_file=forge.certificates.ca)
    with closing(Client(endpoint, GitLab.headers(TOKEN), sleep=clock.sleep)) as client:
        story = Story(site, project, GitLab(client), merged_results)
        story.forge.create(story.place, NewPull("update", "main", "Update", ""))
        yield story


_STALE: list[Event] = [("begin", "running"), ("end", "success"), ("re-pin and land", "")]
_LATE: list[Event] = [*_STALE, ("begin", "running"), ("land", ""), ("end", "failed"), ("land", "")]


@example(events=_STALE, merged_results=False)
@example(events=_LATE, merged_results=False)
@example(events=_LATE, merged_results=True)
@given(events=st.lists(_EVENTS, min_size=1, max_size=10), merged_results=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_merged_whose_own_pipeline_has_not_passed(
    forge: Forge, events: list[Event], merged_results: bool
) -> None:
    port = forge.open_port(HOSTS["gitlab"])
    for story in a_story(forge, port, merged_results=merged_results):
        for what, status in events:
            head: Rev | None = None
            match what:
                case "push":
                    story.push()
                case "begin":
                    story.begin()
                case "end":
                    story.end(status)
                case "re-pin and land":
                    head = story.push()
            if not what.endswith("land"):
                continue
            merged = story.land(head)
            if merged is None:
                continue
            passed = {each.source_sha or each.sha for each in story.begun if each.status == "success"}
            assert not story.begun or merged.head in passed, (events, merged.head)
            break
