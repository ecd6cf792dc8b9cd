"""git over HTTP: `git http-backend` answers; who may push is decided here."""

import subprocess
from collections.abc import Mapping

from flakesync.demo.forge.messages import Answer, Request
from flakesync.demo.forge.storage import Storage, environment

SERVICES = ("git-upload-pack", "git-receive-pack")


def is_push(request: Request) -> bool:
    """Tell whether a request is part of a push."""
    return "git-receive-pack" in (request.path.rpartition("/")[2], request.query.get("service"))


def ask_for_password() -> Answer:
    """Return the answer that makes git look for a password."""
    return Answer(401, b"", (("WWW-Authenticate", 'Basic realm="forge"'),), "text/plain")


def answer(storage: Storage, request: Request, what: str, user: str | None) -> Answer:
    """Return what http-backend says. what: `info/refs` or the name of a service. user: who asks, if known."""
    env = {
        **environment(),
        "GIT_PROJECT_ROOT": str(storage.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{storage.path.name}/{what}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_text,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1",
        **_forwarded(request.headers),
        **({"REMOTE_USER": user} if user else {}),
    }
    done = subprocess.run(["git", "http-backend"], input=request.body, env=env, capture_output=True, check=False)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200" if done.returncode == 0 else "500").split()[0])
    content_type = headers.pop("Content-Type", "text/plain")
    headers.pop("Content-Length", None)
    return Answer(status, body, tuple(headers.items()), content_type)


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    names = {"content-encoding": "HTTP_CONTENT_ENCODING", "git-protocol": "GIT_PROTOCOL"}
    return {variable: headers[name] for name, variable in names.items() if name in headers}
