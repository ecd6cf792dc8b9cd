"""Whether the servers of the repos let git read and push, asked as git asks: nothing is sent or fetched."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows, together
from flakesync.documents.doctor import DoctorRow
from flakesync.errors import INTERRUPTED, FlakesyncError, GitError, HostDownError
from flakesync.git import process
from flakesync.git.remotes.remote import Remote, explain, list_refs, run_once
from flakesync.processes.folders import temporary_folder
from flakesync.secrets import hide_secrets
from flakesync.workspace.clones.by_host import read_by_host
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import Repo

_ROW = DoctorRows("repos")
_TIMEOUT_S = 20.0
_NOWHERE = "refs/heads/flakesync-doctor-looks-whether-it-may-push"


def remote_rows(place: DoctorPlace) -> Rows:
    """Give the rows about what git may do at each repo's server."""
    if place.hosts is None or not place.addresses:
        return
    repos = [repo for repo in place.repos if repo.name in place.addresses]
    if place.offline:
        yield _ROW.unseen("git", "no server is asked with --offline", repos=[repo.name for repo in repos])
        return
    hosts = place.hosts
    with temporary_folder("dry-run") as folder:
        # git pushes from a repository alone. An empty one has nothing that could be sent.
        try:
            process.git(["init", "--quiet", "--bare", "--template=", "--", str(folder)])
        except GitError as error:
            yield _ROW.unseen("git", error.message, hint=error.hint)
            return

        def look(repo: Repo) -> tuple[Repo, DoctorRow]:
            return repo, _look_or_fail(hosts, place.addresses[repo.name], repo, folder)

        found = read_by_host(repos, look, lambda repo, error: (repo, _down(error)), place.jobs, hosts.mirrors)
    yield from together((repo.name, row) for repo, row in found)


def mirror_rows(place: DoctorPlace) -> Rows:
    """Give a row for each mirror of one repository that does not answer, and one for all others."""
    if place.workspace is None or place.hosts is None:
        return
    hosts = place.hosts
    rules = [rule for rule in place.workspace.mirrors.rules if rule.is_of_git]
    if not rules:
        return
    if place.offline:
        yield _ROW.unseen("mirrors", f"{len(rules)} of [mirrors]: not asked with --offline")
        return
    with ThreadPoolExecutor(max_workers=max(1, place.jobs)) as pool:
        found = [*zip(rules, pool.map(lambda rule: _silent(hosts, rule.target), rules), strict=True)]
    for rule, error in found:
        if error is not None:
            detail = f"{hide_secrets(rule.target)}: {_without_address(rule.target, hosts.clean(error.message))}"
            hint = hosts.clean(error.hint) if error.hint is not None else None
            yield _ROW.fails(f"mirror of {rule.source}", detail, hint=hint)
    if good := [rule.source for rule, error in found if error is None]:
        yield _ROW.ok(
            "mirrors", f"{', '.join(good[:4])}{f' and {len(good) - 4} more' if len(good) > 4 else ''}: they answer"
        )


def _silent(hosts: Hosts, address: str) -> FlakesyncError | None:
    """Return why a mirror does not tell its branches; None: it does."""
    try:
        list_refs(hosts.remote(address), ["HEAD"], timeout_s=_TIMEOUT_S)
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        return error
    return None


def _look_or_fail(hosts: Hosts, address: str, repo: Repo, folder: Path) -> DoctorRow:
    """Return the row of a repo. Raises: HostDownError, which is that of all others on the host too."""
    shown = address
    try:
        remote = hosts.remote(address)
        shown = remote.url
        return _look(remote, repo, folder)
    except HostDownError:
        raise
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        hint = hosts.clean(error.hint) if error.hint is not None else None
        return _ROW.fails("git", _without_address(shown, hosts.clean(error.message)), hint=hint)


def _down(error: HostDownError) -> DoctorRow:
    return _ROW.fails("git", error.message, hint=error.hint)


def _look(remote: Remote, repo: Repo, folder: Path) -> DoctorRow:
    """Return what git may do there. Raises: GitError: not even read."""
    # In the clone its own settings count: credential helpers, ssh commands.
    place = repo.path if repo.path is not None and (repo.path / ".git").exists() else folder
    argv = ["push", "--dry-run", "--quiet", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no"]
    # To delete a branch that is not there, and only in a dry run: git logs in to push, hears what there is, and ends.
    answer = run_once([*argv, "--", remote.name, f":{_NOWHERE}"], remote, cwd=place, timeout_s=_TIMEOUT_S)
    pushes = answer.status == 0 or "remote ref does not exist" in answer.err
    refused = explain("push", remote, answer) if not pushes else None
    if isinstance(refused, HostDownError):
        raise refused
    if repo.base is not None or refused is not None:
        wanted = f"refs/heads/{repo.base}" if repo.base is not None else "HEAD"
        if not list_refs(remote, [wanted], timeout_s=_TIMEOUT_S):
            hint = "`base` in the manifest names the branch that updates are for"
            return _ROW.fails("git", f"the server has no branch {repo.base or 'at all'}", hint=hint)
    if refused is None:
        return _ROW.ok("git", "can be read and pushed to")
    detail = _without_address(remote.url, remote.clean(refused.message))
    return _ROW.fails("git", f"can be read, and not pushed to: {detail}", hint=refused.hint)


def _without_address(url: str, text: str) -> str:
    """Return a message without the address that it begins with, so that those of many repos are one."""
    shown = hide_secrets(url)
    return text.removeprefix(f"{shown}: ").replace(f"'{shown}/'", "it").replace(shown, "it")
