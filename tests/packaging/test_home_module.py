"""The home-manager module: the same night as on NixOS, as a service of the user."""

import re

from tests.packaging.evaluated import HOME, LEAST, NIXOS, Looked, look, look_at, script, sections, settings
from tests.support.nix import RealNix

EVERYTHING = (
    f'{LEAST} credentials.GITHUB_TOKEN = "/run/a"; sshKeyFile = "/run/b"; report.dir = "/srv/www";'
    ' nixConfig.cores = 2; extraArgs = [ "--strict" ]; steps = [ "sync" "report" ]; startAt = "04:00";'
)
OF_THE_SYSTEM = {
    "CapabilityBoundingSet", "DynamicUser", "PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups",
    "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "ProtectProc", "ProtectSystem", "ReadWritePaths", "RestrictAddressFamilies", "RestrictNamespaces",
    "SupplementaryGroups", "SystemCallErrorNumber", "SystemCallFilter",
}  # fmt: skip
"""What the manager of a user's services cannot do, or what would keep a single-user Nix from building."""


def test_it_makes_the_night_that_the_nixos_module_makes(nix: RealNix) -> None:
    for options in (LEAST, EVERYTHING):
        home, system = look_at(nix, HOME, options), look_at(nix, NIXOS, options)
        mine, theirs = settings(home), settings(system)
        assert theirs.keys() - mine.keys() == OF_THE_SYSTEM & theirs.keys()
        assert {key: value for key, value in mine.items() if key != "ExecStart"} == {
            key: theirs[key] for key in mine if key != "ExecStart"
        }
        assert sections(home)["flakesync.timer"] == sections(system)["flakesync.timer"]
        assert _lines(home) == _lines(system)


def _lines(looked: Looked) -> list[str]:
    """Return the script without the lines that say where Nix and a service's files are."""
    return [line for line in script(looked).splitlines() if not re.match(r"export (PATH|HOME)=", line)]


def test_the_user_s_own_nix_home_and_cache_are_used(nix: RealNix) -> None:
    text = script(look_at(nix, HOME))
    assert "NIX_REMOTE" not in text
    assert not re.search(r"export (HOME|XDG_CACHE_HOME)=", text)
    assert ":/nix/var/nix/profiles/default/bin:" in text


def test_it_refuses_what_the_nixos_module_refuses_but_what_lies_in_a_home_folder(nix: RealNix) -> None:
    wrong, store, home = look(
        nix,
        HOME,
        [
            f"{LEAST} steps = [ 1 ];",
            f'{LEAST} credentials.A = "${{builtins.storeDir}}/x";',
            'enable = true; workspace = "/home/me/acme"; report.dir = "/home/me/www";',
        ],
    )
    assert wrong is None
    assert store is not None
    assert [message for message in store.refused if "of A is in the Nix store" in message] == store.refused != []
    assert home is not None
    assert home.refused == []


def test_where_there_is_no_systemd_it_says_so(nix: RealNix) -> None:
    (found,) = look(nix, HOME, [LEAST], system="aarch64-darwin")
    assert found is not None
    assert found.refused == ["services.flakesync needs systemd, which this system does not have."]


def test_what_is_not_enabled_makes_nothing(nix: RealNix) -> None:
    nothing = Looked([], {}, {}, [], [], {"services": {}, "timers": {}})
    assert look_at(nix, HOME, "enable = false;") == nothing
