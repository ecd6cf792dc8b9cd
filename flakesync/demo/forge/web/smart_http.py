"""git over HTTP, as `git http-backend` does it; who may push is decided before.

That program would start itself twice over before it starts what is started here: a forge answers thousands of these.
"""

import gzip
import subprocess

from flakesync.demo.forge.storage import Storage, environment
from flakesync.demo.forge.web.messages import Answer, Request

SERVICES = ("git-upload-pack", "git-receive-pack")


def is_push(request: Request) -> bool:
    """Tell whether a request is part of a push."""
    return "git-receive-pack" in (request.path.rpartition("/")[2], request.query.get("service"))


def ask_for_password() -> Answer:
    """Return the answer that makes git look for a password."""
    return Answer(401, b"", (("WWW-Authenticate", 'Basic realm="forge"'),), "text/plain")


def answer(storage: Storage, request: Request, what: str) -> Answer:
    """Return what git says. what: `info/refs` or the name of a service."""
    service = request.query.get("service", "") if what == "info/refs" else what
    if service not in SERVICES:
        return Answer(403, b"Please upgrade your git client.\n", (), "text/plain")
    protocol = request.headers.get("git-protocol", "")
    env = {**environment(), "GIT_PROTOCOL": protocol}
    argv = ["git", service.removeprefix("git-"), "--stateless-rpc"]
    if what == "info/refs":
        done = subprocess.run(
            [*argv, "--http-backend-info-refs", storage.path], env=env, stdin=subprocess.DEVNULL, capture_output=True,
            check=False,
        )  # fmt: skip
        # The second version of the protocol has this line no more.
        first = b"" if "version=2" in protocol.split(":") else _line(f"# service={service}\n") + b"0000"
        return _said(done, first, f"application/x-{service}-advertisement")
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    done = subprocess.run([*argv, storage.path], env=env, input=body, capture_output=True, check=False)
    return _said(done, b"", f"application/x-{service}-result")


def _said(done: "subprocess.CompletedProcess[bytes]", first: bytes, content_type: str) -> Answer:
    # git tells the other side itself what was wrong; without a word it has broken down.
    if done.returncode != 0 and not done.stdout:
        return Answer(500, done.stderr, (), "text/plain")
    return Answer(200, first + done.stdout, (("Cache-Control", "no-cache, max-age=0, must-revalidate"),), content_type)


def _line(text: str) -> bytes:
    """Return a line as git frames it: its length with these four digits, then the text."""
    return b"%04x%s" % (len(text) + 4, text.encode())
