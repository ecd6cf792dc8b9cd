"""Many repos are asked about at once, one of each host first: a host that answers nobody is asked once."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from flakesync.errors import HostDownError
from flakesync.git.remotes.tries import host_of
from flakesync.workspace.model import Repo
from flakesync.workspace.settings.mirrors import Mirrors

T = TypeVar("T")


def read_by_host(
    repos: Sequence[Repo],
    read: Callable[[Repo], T],
    give_up: Callable[[Repo, HostDownError], T],
    jobs: int,
    mirrors: Mirrors,
) -> list[T]:
    """Return what `read` says of each repo, `jobs` at once.

    give_up: what becomes of a repo whose host has already said nothing about another; its server is not asked. mirrors:
    who is asked in place of the repos' own servers.
    """
    from concurrent.futures import ThreadPoolExecutor

    down: dict[str, HostDownError] = {}

    def host_by(repo: Repo) -> str:
        url = repo.url.git_url() if repo.url is not None else None
        return host_of(mirrors.of(url) or url) or "" if url is not None else ""

    def try_one(repo: Repo) -> T:
        host = host_by(repo)
        if host in down:
            return give_up(repo, down[host])
        try:
            return read(repo)
        except HostDownError as error:
            if id(repo) in first:  # others may only be large; those that are refused at once cost nothing
                down[host] = error
            return give_up(repo, error)

    hosts = {host_by(repo): repo for repo in reversed(repos)}  # the first repo of each
    first = {id(repo) for host, repo in hosts.items() if host}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        found = list(pool.map(try_one, (repo for repo in repos if id(repo) in first)))
        return found + list(pool.map(try_one, (repo for repo in repos if id(repo) not in first)))
