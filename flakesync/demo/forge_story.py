"""`flakesync demo --forge`: the whole way, from old locks to merged pull requests, on forges of the demo's own."""

import contextlib
import json
import os
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flakesync.demo.build import MANIFEST
from flakesync.demo.hosting import OWNER, SITES, Hosted, check_tools, host_workspace
from flakesync.demo.locking import find_nix, writer
from flakesync.demo.stage import Scene, play, say, show, typed
from flakesync.demo.story import made
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, EXIT_WAITING
from flakesync.nix.program.command import Nix
from flakesync.report.text import BLANK, Span, line

MERGED_BY_HAND = "lib"
"""The repo of the first wave whose pull request a person merges."""
CHECKED, CHECK = "docs-theme", "build"
"""The repo whose base demands a check, which its CI reports late, and the check's name."""
APPROVED = "core"
"""The repo whose base demands that a person approves."""
LATE_S = 2.0
"""How long after the last command began they come."""

BEFORE = (
    Scene(
        "Upstreams first, each dependent locked to the commit its upstreams have just got. The commits are made here;"
        " the forges know nothing of them yet.",
        ("sync",),
    ),
    Scene("Push the update branches, and open one pull request for each: they link to each other.", ("publish",)),
    Scene("Where everything stands, asked of the forges: nothing is remembered between two commands.", ("status",)),
)
FIRST_LANDING = (
    Scene(
        f"Land what can be landed, upstream first. The bases of two repos are protected: {CHECKED} needs a check that"
        f" has not reported yet, {APPROVED} an approval. Neither is a failure; exit status 4 says that it waits.",
        ("land",),
        EXIT_WAITING,
    ),
)
AFTER = (
    Scene(
        "Wait for both, and land what is left. Whoever locks a commit that was merged as another one is locked to that;"
        " where the tree is the one that was tested, the checks carry over.",
        ("land", "--wait"),
    ),
    Scene(
        "All main branches, read from the forges: in step, and no lock names an update branch.",
        ("drift",),
    ),
)


def run_forge_demo(directory: Path | None) -> int:
    """Make the example workspace on forges in `directory`, show the whole way, and return the exit status.

    directory: must be empty or not there yet; None: a temporary folder. It stays, the forges end. The status is 1 when
    a command did not end as it has to.

    Raises:
        FlakesyncError: the workspace could not be made: there is no git or no openssl, …
    """
    check_tools()
    nix = find_nix(os.environ)
    hosted = made(directory, host_workspace)
    with hosted.forge:
        _protect(hosted)
        _introduce(hosted, nix)
        if not play(BEFORE, hosted.place, hosted.environment):
            return EXIT_FINDINGS
        _merge_by_hand(hosted)
        if not play(FIRST_LANDING, hosted.place, hosted.environment):
            return EXIT_FINDINGS
        with _later(hosted):
            if not play(AFTER, hosted.place, hosted.environment):
                return EXIT_FINDINGS
    _leave(hosted)
    return EXIT_OK


def _introduce(hosted: Hosted, nix: Nix | None) -> None:
    kinds = ", ".join(f"{kind} at localhost:{hosted.ports[host]}" for host, kind in SITES.items())
    say(f"The same company, but nothing lies here except {MANIFEST}: its repositories are on three forges that run as"
        f" long as this does ({kinds}), with real git below. {writer(nix)} wrote the locks. git and Nix trust the"
        " forges' own authority, and flakesync has a token for their APIs.")  # fmt: skip
    show(typed("cd", str(hosted.place)))
    show(*(typed("export", f"{name}={value}") for name, value in hosted.exports.items()), BLANK)


def _protect(hosted: Hosted) -> None:
    """Let two repos demand something before they can be merged into."""
    checked, approved = hosted.project(CHECKED), hosted.project(APPROVED)
    checked.protect(checked.storage.default_branch, checks=[CHECK])
    approved.protect(approved.storage.default_branch, approvals=1)


def _merge_by_hand(hosted: Hosted) -> None:
    """Squash one pull request through the API, as the web page does for a person who presses the button."""
    name, project = MERGED_BY_HAND, hosted.project(MERGED_BY_HAND)
    say(f"A person is faster, and squashes the pull request of {name}. What is on main then is a commit that nobody"
        " locks: dependents that the update reaches have the one that was published.")  # fmt: skip
    pull = project.pulls[-1]
    path, order = f"/api/v1/repos/{OWNER}/{name}/pulls/{pull.number}/merge", {"Do": "squash"}
    show(line(Span("alex>", "good"), " ", Span(f"POST https://{hosted.host(name)}{path} {json.dumps(order)}", "head")))
    _post(hosted, name, path, order)
    merged = project.storage.branch(pull.base) or ""
    show(line(f"published as {pull.head_rev[:7]}, merged as {merged[:7]}"), BLANK)


@contextlib.contextmanager
def _later(hosted: Hosted) -> Iterator[None]:
    """Let the check report, and a person approve, a moment after the landing has begun to wait for them."""
    checked, approved = hosted.project(CHECKED).pulls[-1], hosted.project(APPROVED).pulls[-1]
    status = (f"/repos/{OWNER}/{CHECKED}/statuses/{checked.head_rev}", {"context": CHECK, "state": "success"})
    review = (f"/api/v1/repos/{OWNER}/{APPROVED}/pulls/{approved.number}/reviews", {"event": "APPROVED"})
    orders = {CHECKED: ("ci>", *status), APPROVED: ("alex>", *review)}
    say("Both come while flakesync waits:")
    for name, (who, path, order) in orders.items():
        words = f"POST https://{hosted.host(name)}{path} {json.dumps(order)}"
        show(line(Span(who, "good"), " ", Span(words, "head")))
    show(BLANK)

    def act() -> None:
        for name, (_, path, order) in orders.items():
            _post(hosted, name, path, order)

    timer = threading.Timer(LATE_S, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _post(hosted: Hosted, name: str, path: str, order: dict[str, str]) -> None:
    """Ask a forge for something as a person, or another program, does."""
    headers = {"Authorization": f"token {hosted.persons_token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"https://{hosted.host(name)}{path}", json.dumps(order).encode(), headers)
    tls = ssl.create_default_context(cafile=hosted.forge.certificates.ca)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    opener.open(request, timeout=30).close()


def _leave(hosted: Hosted) -> None:
    """Say what is left."""
    fleet = hosted.project("fleet").storage.path
    say("The forges have ended with the demo. What was on them stays, and what flakesync has read of them:")
    show(
        typed("cd", str(hosted.place)),
        typed("git", "-C", str(fleet.relative_to(hosted.place)), "log", "--graph", "--stat", "main"),
        typed("export", f"XDG_CACHE_HOME={hosted.exports['XDG_CACHE_HOME']}"),
        typed("flakesync", "graph", "--offline"),
        typed("flakesync", "drift", "--offline"),
    )
