"""The clients that others wrote for the real forges get on with the loopback forge: open, read, merge."""

import json
import ssl

import httpx
import pytest
from github import Auth, Github
from github.GithubException import GithubException
from gitlab import Gitlab
from gitlab.exceptions import GitlabCreateError, GitlabMRClosedError
from pyforgejo import PyforgejoApi
from pyforgejo.core.api_error import ApiError

from tests.support.forge import Forge
from tests.support.forge.client import TOKEN, client_of, pushed, thought


def test_pygithub_opens_reads_and_merges(forge: Forge) -> None:
    ours = client_of(forge, "github")
    api = Github(
        auth=Auth.Token(TOKEN),
        base_url=f"https://localhost:{ours.port}/api/v3",
        verify=str(forge.certificates.ca),
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )
    repo = api.get_repo("acme/lib")
    made = repo.create_pull(base="main", head="update", title="Update", body="Body", draft=False)
    made.add_to_labels("flake-lock")
    with pytest.raises(GithubException) as caught:
        repo.create_pull(base="main", head="update", title="Update", body="Body")
    assert caught.value.status == 422
    (listed,) = repo.get_pulls(state="open", head="acme:update", base="main")
    assert (listed.number, listed.title, [label.name for label in listed.labels]) == (
        made.number,
        "Update",
        ["flake-lock"],
    )
    assert repo.get_commit(made.head.sha).get_combined_status().total_count == 0
    thought(ours, made.number)
    with pytest.raises(GithubException) as caught:
        made.merge(merge_method="squash", sha="0" * 40)
    assert caught.value.status == 409
    done = made.merge(merge_method="squash", sha=made.head.sha)
    again = repo.get_pull(made.number)
    assert (done.merged, again.merged, again.merge_commit_sha) == (True, True, ours.project.storage.branch("main"))
    api.close()


def test_python_gitlab_opens_reads_and_merges(forge: Forge) -> None:
    ours = client_of(forge, "gitlab", "acme/core/lib")
    with Gitlab(f"https://localhost:{ours.port}", private_token=TOKEN, ssl_verify=str(forge.certificates.ca)) as api:
        project = api.projects.get("acme/core/lib")
        wanted = {
            "source_branch": "update",
            "target_branch": "main",
            "title": "Draft: Update",
            "labels": ["flake-lock"],
        }
        made = project.mergerequests.create(wanted)
        with pytest.raises(GitlabCreateError) as caught:
            project.mergerequests.create(wanted)
        assert caught.value.response_code == 409
        (listed,) = project.mergerequests.list(state="opened", source_branch="update", iterator=True)
        assert (listed.iid, listed.draft, listed.labels) == (made.iid, True, ["flake-lock"])
        made.title = "Update"
        made.save()
        thought(ours, made.iid)
        made.merge()
        with pytest.raises(GitlabMRClosedError):
            made.merge()
        again = project.mergerequests.get(made.iid)
        assert (again.state, again.merge_commit_sha) == ("merged", ours.project.storage.branch("main"))


def test_python_gitlab_lists_pushes_and_checks(forge: Forge) -> None:
    ours = client_of(forge, "gitlab", "acme/core/lib")
    pushed(ours)
    tip = ours.project.storage.branch("main")
    assert tip is not None
    with Gitlab(f"https://localhost:{ours.port}", private_token=TOKEN, ssl_verify=str(forge.certificates.ca)) as api:
        project = api.projects.get("acme/core/lib")
        told = [each.push_data for each in project.events.list(action="pushed", iterator=True)]
        assert ("main", tip) in [(each["ref"], each["commit_to"]) for each in told]
        commit = project.commits.get(tip)
        commit.statuses.create({"state": "success", "name": "build"})
        assert [(each.name, each.status) for each in commit.statuses.list(iterator=True)] == [("build", "success")]
        assert project.commits.get(tip).last_pipeline["status"] == "success"


def test_pyforgejo_opens_reads_and_merges(forge: Forge) -> None:
    ours = client_of(forge, "forgejo")
    trust = ssl.create_default_context(cafile=forge.certificates.ca)
    with httpx.Client(verify=trust) as connection:
        api = PyforgejoApi(
            base_url=f"https://localhost:{ours.port}/api/v1", api_key=f"token {TOKEN}", httpx_client=connection
        )
        label = api.issue.create_label("acme", "lib", name="flake-lock", color="#00aabb")
        assert label.id is not None
        made = api.repository.repo_create_pull_request(
            "acme", "lib", base="main", head="update", title="Update", body="Body", labels=[label.id]
        )
        with pytest.raises(ApiError) as caught:
            # It would ask again after a pause, even so.
            api.repository.repo_create_pull_request(
                "acme", "lib", base="main", head="update", title="Update", request_options={"max_retries": 0}
            )
        assert caught.value.status_code == 409
        found = api.repository.repo_get_pull_request_by_base_head("acme", "lib", "main", "update")
        assert made.number is not None
        assert (found.number, found.title) == (made.number, "Update")
        thought(ours, made.number)
        assert made.head is not None
        api.repository.repo_merge_pull_request("acme", "lib", made.number, do="squash", head_commit_id=made.head.sha)
        again = api.repository.repo_get_pull_request("acme", "lib", made.number)
        assert (again.merged, again.merge_commit_sha) == (True, ours.project.storage.branch("main"))


def test_pyforgejo_lists_pushes(forge: Forge) -> None:
    ours = client_of(forge, "forgejo")
    pushed(ours)
    tip = ours.project.storage.branch("main")
    trust = ssl.create_default_context(cafile=forge.certificates.ca)
    with httpx.Client(verify=trust) as connection:
        api = PyforgejoApi(
            base_url=f"https://localhost:{ours.port}/api/v1", api_key=f"token {TOKEN}", httpx_client=connection
        )
        told = api.repository.repo_list_activity_feeds("acme", "lib", limit=10)
        (main,) = (each for each in told if each.ref_name == "refs/heads/main")
        assert (main.op_type, json.loads(main.content or "")["HeadCommit"]["Sha1"]) == ("commit_repo", tip)
