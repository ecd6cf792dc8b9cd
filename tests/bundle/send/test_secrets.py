"""No login and no token leaves in a bundle: not in its manifest, not in its git bundles, not in what is told of it."""

from pathlib import Path

import pytest

from tests.bundle.send.sender import Sender
from tests.support import repos

MARKED = "marked-secret-0123456789"


def test_no_login_or_token_is_in_a_bundle_or_in_what_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_TOKEN", "GITLAB_TOKEN"):
        monkeypatch.setenv(name, MARKED)
    monkeypatch.setenv("NIX_CONFIG", f"access-tokens = github.com={MARKED}")
    sender = Sender(tmp_path)
    lib, tool = sender.add("lib"), sender.add("tool", listed=False)
    sender.add("app")
    repos.run_git("remote", "add", "origin", f"https://bot:{MARKED}@git.example/acme/app", cwd=sender.clone("app"))
    repos.run_git("config", "http.extraHeader", f"Authorization: {MARKED}", cwd=sender.clone("app"))
    # Locks of other repos may have addresses with logins; the lock itself is a file of a commit, and stays as it is.
    sender.take("lib", {
        "user": sender.elsewhere("tool", tool) | {"url": f"https://bot:{MARKED}@git.example/tool"},
        "gone": {"type": "tarball", "url": f"https://{MARKED}@git.example/x.tar.gz?private_token={MARKED}",
                 "narHash": "sha256-" + "A" * 43 + "="},
    })  # fmt: skip
    sender.take("app", {"lib": sender.node("lib", lib), "tool": sender.elsewhere("tool", tool)})
    bundled = sender.bundle("b", "--partial", "-v", status=1)
    assert bundled.digest is not None
    assert MARKED not in str(bundled)
    assert MARKED not in capsys.readouterr().err
    manifest = sender.manifest("b")
    packs = {repo.blob[7:] for repo in manifest.repos if repo.blob is not None and repo.name == "lib"}
    for file in (*(tmp_path / "b").rglob("*"), tmp_path / "b.json"):
        if file.is_file() and file.name not in packs:
            assert MARKED.encode() not in file.read_bytes(), file
    (app,) = [repo for repo in manifest.repos if repo.name == "app"]
    assert app.url == "git+https://git.example/acme/app"
