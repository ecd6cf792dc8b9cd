"""A user whom the daemon of a machine does not trust: no setting of theirs counts, and `--into-store` needs none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundle.receive.made import bundle_of_app
from tests.support.nix import RealNix

_NOBODY = 65534
_SCRIPT = """\
set -e
root=$1 python=$2 checkout=$3
mount --bind "$root/nix" /nix
# The Python of root may lie where nobody else can look.
for home in /root; do
  case "$(readlink -f "$python")" in
    "$home"/*) mkdir "$root/real"; mount --bind "$home" "$root/real"; mount -t tmpfs tmpfs "$home"; chmod 755 "$home"
      for each in "$root/real"/.[!.]* "$root/real"/*; do
        if [ -d "$each" ]; then mkdir "$home/${each##*/}"; mount --bind "$each" "$home/${each##*/}"; fi
      done ;;
  esac
done
"$root/bin/nix-daemon" >"$root/daemon.log" 2>&1 &
daemon=$!
trap 'kill $daemon' EXIT
while ! [ -S /nix/var/nix/daemon-socket/socket ]; do kill -0 $daemon; sleep 0.1; done
cd "$root/home"
as="setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$root/home TMPDIR=$root/tmp"
app="git+file://$root/home/git/app.git?ref=main#v"
PYTHONPATH=$checkout
export PYTHONPATH
$as "$python" -m flakesync import "$root/../bundle.tar" --cache cache --repos git >"$root/told"
! $as nix eval --raw "$app" --no-update-lock-file --option substituters "file://$root/home/cache" 2>"$root/refused"
$as "$python" -m flakesync import "$root/../bundle.tar" --cache cache --repos git --into-store --roots roots
$as nix-store --gc 2>/dev/null
echo "it is $($as nix eval --raw "$app" --no-update-lock-file)"
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user's daemon")
def test_sources_get_into_the_store_of_a_daemon_that_does_not_trust_the_user(nix: RealNix, tmp_path: Path) -> None:
    if not Path("/nix").is_dir() or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("needs /nix, setpriv and unshare")
    bundle_of_app(tmp_path)
    root = tmp_path / "machine"
    for name in ("nix", "home", "tmp", "bin", "conf"):
        (root / name).mkdir(parents=True)
    for name in ("home", "tmp"):
        os.chown(root / name, _NOBODY, _NOBODY)
    for folder in (root, *root.parents):
        if folder.is_relative_to("/dev/shm") or folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    for name in ("nix", "nix-store", "nix-daemon"):
        (root / "bin" / name).symlink_to(nix.path.resolve())
    (root / "conf/registry.json").write_text('{"flakes":[],"version":2}\n')
    (root / "conf/nix.conf").write_text(
        "experimental-features = nix-command flakes\nsandbox = false\nbuild-users-group =\ntrusted-users = root\n"
        f"substituters =\nflake-registry = {root}/conf/registry.json\n"
    )
    env = {"PATH": f"{root}/bin:{os.environ['PATH']}", "NIX_CONF_DIR": str(root / "conf"), "HOME": str(root / "home")}
    checkout = str(Path(__file__).parents[3])
    argv = ["unshare", "--net", "--mount", "sh", "-c", _SCRIPT, "sh", str(root), sys.executable, checkout]
    done = subprocess.run(
        argv, env=env, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("it is from afar\n")
    assert "--into-store" in (root / "told").read_text()
    assert "untrusted" in (root / "refused").read_text() or "not trusted" in (root / "refused").read_text()
