"""A pod without a cluster: a root that cannot be written to, the CronJob's volumes, and its user without privileges.

Everything is in a mount namespace, which ends with the program. As in the image, the programs are there, `/nix` is
empty, and what the container's environment does not say is not set.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.nightly import recipes

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nflakesync:x:10001:10001::/home/flakesync:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nflakesync:x:10001:\n",
    "etc/nix/nix.conf": "build-users-group =\nexperimental-features = nix-command flakes\nsubstituters =\n",
}
"""What the image has in /etc, and that there is no network."""
_ENV = {"LANG": "C.UTF-8", "NIX_REMOTE": "local"}
"""What the image has in its environment."""


@dataclass(frozen=True)
class Pod:
    """folder: where root and volumes lie. path: folders of programs, first on PATH. there: other folders that are seen.

    owned: folders that stand for servers: their files are the user's while the program runs.
    """

    folder: Path
    path: tuple[Path, ...]
    there: tuple[Path, ...]
    owned: tuple[Path, ...] = ()

    def volume(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self.folder / "volumes" / name

    def run(self, texts: Mapping[str, str], env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run the container of the CronJob. texts: the ConfigMap. env: the Secret."""
        pod = recipes.cronjob_pod()
        (container,) = pod["containers"]
        user = pod["securityContext"]["runAsUser"]
        root = _q(self.folder / "root")
        # The volumes first: a checkout below /tmp has to be seen in spite of the volume there.
        lines = ["set -eu", f"mkdir -p {root}", "mount --make-rprivate /", f"mount -t tmpfs -o mode=755 tmpfs {root}"]
        lines += [*self._volumes(container, texts, user), *self._root(), f"mount -o remount,ro {root}"]
        lines.append(f"exec {_enter(self, pod)}")
        for folder in self.owned:
            _give(folder, user)
        given = {**_ENV, **{each["name"]: each["value"] for each in container["env"]}, **env}
        given["PATH"] = os.pathsep.join([*map(str, self.path), "/usr/bin", "/bin"])
        variables = [f"{name}={value}" for name, value in given.items()]
        program = [*container["command"], *container["args"]]
        argv = ["unshare", "--mount", "sh", "-c", "\n".join(lines), "sh", *variables, *program]
        try:
            return subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False, cwd="/")
        finally:
            for folder in self.owned:
                _give(folder, os.getuid())

    def _root(self) -> list[str]:
        """Return the commands that put into the root what is no volume."""
        root = self.folder / "root"
        lines: list[str] = []
        seen = [*map(Path, SYSTEM), *self.there]
        if not sys.base_prefix.startswith("/usr"):
            seen.append(Path(sys.base_prefix))
        for each in [each for each in seen if each.is_dir()]:
            lines += [*_bind(each, root / each.relative_to("/")), _close(root / each.relative_to("/"))]
        for each in self.owned:
            lines += _bind(each, root / each.relative_to("/"))
        lines += [f"mkdir -p {_q(root / 'dev')} {_q(root / 'proc')}", f"mount --rbind /proc {_q(root / 'proc')}"]
        lines += [
            f"mkdir {_q(root / 'dev/pts')}",
            f"mount -t devpts -o newinstance,ptmxmode=0666 devpts {_q(root / 'dev/pts')}",
        ]
        lines += [f"ln -s {target} {_q(root / 'dev' / name)}" for name, target in LINKS.items()]
        for name in DEVICES:
            device = _q(root / "dev" / name)
            lines.append(f"touch {device} && mount --bind /dev/{name} {device}")
        for name, text in _FILES.items():
            place = root / name
            lines += [f"mkdir -p {_q(place.parent)}", f"printf %s {shlex.quote(text)} >{_q(place)}"]
        return lines

    def _volumes(self, container: Any, texts: Mapping[str, str], user: int) -> list[str]:
        """Make the folders of the volumes; return the commands that mount them."""
        lines = []
        for mount in container["volumeMounts"]:
            folder, place = self.volume(mount["name"]), self.folder / "root" / mount["mountPath"].lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, 0, user)
            folder.chmod(0o2777)
            if mount["name"] == "workspace":
                _config_map(folder, texts)
            lines += _bind(folder, place)
            if mount.get("readOnly"):
                lines.append(_close(place))
        return lines


def _enter(pod: Pod, spec: Any) -> str:
    """Return the command that becomes the user in the root; the arguments are the environment and the program."""
    context, (container,) = spec["securityContext"], spec["containers"]
    given = [
        f"--reuid={context['runAsUser']}", f"--regid={context['runAsGroup']}", f"--groups={context['fsGroup']}",
        "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
    ]  # fmt: skip
    env = ["env", "-i", f"--chdir={container['workingDir']}"]
    return f'chroot {_q(pod.folder / "root")} setpriv {" ".join(given)} {" ".join(env)} "$@"'


def _config_map(folder: Path, texts: Mapping[str, str]) -> None:
    """Lay a folder out as the kubelet does: links to the files of one moment."""
    shutil.rmtree(folder)
    (folder / "..moment").mkdir(parents=True)
    (folder / "..data").symlink_to("..moment")
    for name, text in texts.items():
        (folder / "..moment" / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")


def _give(folder: Path, user: int) -> None:
    subprocess.run(["chown", "-R", f"{user}:{user}", folder], check=True)


def _bind(folder: Path, place: Path) -> list[str]:
    return [f"mkdir -p {_q(place)}", f"mount --bind {_q(folder)} {_q(place)}"]


def _close(place: Path) -> str:
    return f"mount -o remount,bind,ro {_q(place)}"


def _q(path: Path) -> str:
    return shlex.quote(str(path))
