"""Forgejo: what has happened in a repository, pushes among all else."""

import json

from flakesync.demo.forge.forgejo.api import REPO, counted, reads
from flakesync.demo.forge.forgejo.documents import repository, user
from flakesync.demo.forge.model import BranchMove, Project, Pull, Site
from flakesync.demo.forge.times import time
from flakesync.demo.forge.web.messages import Answer, Json, Request
from flakesync.demo.forge.web.routing import Parts


@reads("GET", f"{REPO}/activities/feeds")
def list_feed(site: Site, project: Project, request: Request, parts: Parts) -> Answer:
    everything: list[BranchMove | Pull] = [*project.moves, *project.pulls]
    happened = sorted(everything, key=_when, reverse=True)
    return counted(request, happened, lambda each: _document(site, project, request, each))


def _when(each: BranchMove | Pull) -> float:
    return each.at if isinstance(each, BranchMove) else each.created


def _document(site: Site, project: Project, request: Request, each: BranchMove | Pull) -> Json:
    """Return an `Activity`."""
    if isinstance(each, Pull):
        ref, kind, content = "", "create_pull_request", f"{each.number}|{each.title}"
    else:
        ref, kind, content = f"refs/heads/{each.branch}", "commit_repo", _content(project, each)
        kind = kind if each.after is not None else "delete_branch"
    return {
        "id": int(_when(each)), "user_id": site.ci_account.id, "op_type": kind, "act_user_id": site.ci_account.id,
        "act_user": user(site, site.ci_account), "repo_id": project.id,
        "repo": repository(site, project, request, None), "comment_id": 0, "comment": None, "ref_name": ref,
        "is_private": project.private, "content": content, "created": time(_when(each)),
    }  # fmt: skip


def _content(project: Project, move: BranchMove) -> str:
    """Return what is told of a push: its newest commit, or nothing of a branch that was deleted."""
    if move.after is None:
        return ""
    commit = project.storage.commit(move.after)
    told = {
        "Sha1": move.after, "Message": commit.message, "AuthorEmail": commit.author.email,
        "AuthorName": commit.author.name, "CommitterEmail": commit.committer.email,
        "CommitterName": commit.committer.name, "Timestamp": time(commit.committer.time),
    }  # fmt: skip
    compared = f"{project.path}/compare/{move.before}...{move.after}"
    return json.dumps({"Commits": [told], "HeadCommit": told, "CompareURL": compared, "Len": 1})
