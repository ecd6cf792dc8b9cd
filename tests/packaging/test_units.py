"""Units as systemd sees them: those of both modules, and the example for other systems."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.evaluated import HOME, LEAST, NIXOS, TOP, look_at, sections, write_units
from tests.support.nix import RealNix
from tests.support.tools import tool

pytestmark = pytest.mark.packaging
EXAMPLE = TOP / "examples/nightly/systemd"
FULL = f'{LEAST} credentials.GITHUB_TOKEN = "/run/a"; sshKeyFile = "/run/b"; report.dir = "/srv/www";'


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [tool("systemd-analyze"), "--no-pager", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def passes(*arguments: str | Path) -> None:
    ran = analyze(*arguments)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr


def exposure(service: Path) -> float:
    """Return how much of the system a service reaches, from 0 to 10, as `systemd-analyze security` counts."""
    ran = analyze("security", "--offline=true", service)
    if "--offline" in ran.stderr:
        pytest.skip("this systemd-analyze looks at running units only")
    (said,) = [line for line in ran.stdout.splitlines() if "Overall exposure level" in line]
    return float(said.rpartition(": ")[2].split()[0])


@pytest.mark.parametrize("module", [NIXOS, HOME], ids=["nixos", "home"])
@pytest.mark.parametrize("options", [LEAST, FULL], ids=["least", "full"])
def test_the_units_of_the_modules_are_units(any_nix: RealNix, tmp_path: Path, module: Path, options: str) -> None:
    found = look_at(any_nix, module, options)
    service, timer = write_units(found, tmp_path)
    # Here the script is a plain file of a store, which nobody has made executable.
    text = service.read_text()
    started = sections(found)["flakesync.service"]["Service"]["ExecStart"]
    assert f"ExecStart={started}\n" in text
    service.write_text(text.replace(f"ExecStart={started}", "ExecStart=/bin/true"))
    passes("verify", "--man=no", *(["--user"] if module is HOME else []), service, timer)
    passes("calendar", sections(found)["flakesync.timer"]["Timer"]["OnCalendar"])
    service.write_text(text.replace("Type=oneshot", "Type=oneshoot"))
    assert "oneshoot" in analyze("verify", "--man=no", service).stderr, "a fault is seen"


def test_the_service_of_the_nixos_module_is_fenced_in(any_nix: RealNix, tmp_path: Path) -> None:
    for options in (LEAST, FULL):
        service, _ = write_units(look_at(any_nix, NIXOS, options), tmp_path)
        assert exposure(service) <= 2.0


def test_the_example_is_a_unit_and_fenced_in(tmp_path: Path) -> None:
    service, timer = (tmp_path / name for name in ("flakesync.service", "flakesync.timer"))
    for copy in (service, timer):
        shutil.copy(EXAMPLE / copy.name, copy)
    passes("verify", "--man=no", service, timer)
    assert exposure(service) <= 2.5


def test_the_example_and_the_module_have_the_same_fence(any_nix: RealNix) -> None:
    fence = sections(look_at(any_nix, NIXOS))["flakesync.service"]["Service"]
    lines = (EXAMPLE / "flakesync.service").read_text().splitlines()
    example: dict[str, list[str]] = {}
    for key, _, value in (line.partition("=") for line in lines if "=" in line and not line.startswith("#")):
        example.setdefault(key, []).append(value)
    names = (
        "Protect",
        "Private",
        "Restrict",
        "SystemCall",
        "Lock",
        "NoNew",
        "Capability",
        "UMask",
        "StateDirectoryMode",
    )
    shown = {True: "yes", False: "no"}
    module = {key: [shown[value]] if isinstance(value, bool) else value for key, value in fence.items()}
    module = {key: [value] if isinstance(value, str) else value for key, value in module.items()}
    joined = [
        {key: " ".join(value) for key, value in unit.items() if key.startswith(names)} for unit in (module, example)
    ]
    assert joined[0] == joined[1]


def test_what_a_store_without_a_daemon_needs_opens_the_example(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```ini\n(.*?)^```", (EXAMPLE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    service = tmp_path / "flakesync.service"
    service.write_text(f"{(EXAMPLE / service.name).read_text()}\n{block}")
    passes("verify", "--man=no", service)
    said = analyze("security", "--offline=true", service).stdout
    assert re.search(r"✗ RestrictNamespaces=~user", said)
    assert "Service does not filter system calls" in said
