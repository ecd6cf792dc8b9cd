"""`flakesync demo --forge`: the whole way, from old locks to merged pull requests, on forges of the demo's own."""

import json
import os
import ssl
import urllib.request
from pathlib import Path

from flakesync.demo.build import MANIFEST
from flakesync.demo.hosting import OWNER, SITES, Hosted, check_tools, host_workspace
from flakesync.demo.locking import find_nix, writer
from flakesync.demo.stage import Scene, play, say, show, typed
from flakesync.demo.story import made
from flakesync.errors import EXIT_FINDINGS, EXIT_OK
from flakesync.nix.command import Nix
from flakesync.report.text import BLANK, Span, line

MERGED_BY_HAND = "lib"
"""The repo of the first wave whose pull request a person merges."""

BEFORE = (
    Scene(
        "Upstreams first, each dependent locked to the commit its upstreams have just got. The commits are made here;"
        " the forges know nothing of them yet.",
        ("sync",),
    ),
    Scene("Push the update branches, and open one pull request for each: they link to each other.", ("publish",)),
    Scene("Where everything stands, asked of the forges: nothing is remembered between two commands.", ("status",)),
)
AFTER = (
    Scene(
        "Land what is left, upstream first. Whoever locks a commit that was merged as another one is locked to that;"
        " where the tree is the one that was tested, the checks carry over.",
        ("land",),
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
        _introduce(hosted, nix)
        if not play(BEFORE, hosted.place, hosted.environment):
            return EXIT_FINDINGS
        _merge_by_hand(hosted)
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


def _merge_by_hand(hosted: Hosted) -> None:
    """Squash one pull request through the API, as the web page does for a person who presses the button."""
    name, project = MERGED_BY_HAND, hosted.project(MERGED_BY_HAND)
    say(f"A person is faster, and squashes the pull request of {name}. What is on main then is a commit that nobody"
        " locks: each dependent has the one that was published.")  # fmt: skip
    pull = project.pulls[-1]
    address = f"https://{hosted.host(name)}/api/v1/repos/{OWNER}/{name}/pulls/{pull.number}/merge"
    order = json.dumps({"Do": "squash"})
    show(line(Span("alex>", "good"), " ", Span(f"POST {address} {order}", "head")))
    headers = {"Authorization": f"token {hosted.persons_token}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, order.encode(), headers)
    tls = ssl.create_default_context(cafile=hosted.forge.certificates.ca)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    with opener.open(request, timeout=30):
        merged = project.storage.branch(pull.base) or ""
    show(line(f"published as {pull.head_rev[:7]}, merged as {merged[:7]}"), BLANK)


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
