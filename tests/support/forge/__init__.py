"""The example forge, for tests: with a log, and with faults on demand.

    with Forge(tmp_path / "forge", [("github.com", "github"), ("codeberg.org", "forgejo")]) as forge:
        lib = forge.site("github.com").create("acme/lib")
        port = forge.open_port("github.com")                # one site on a port of its own, or
        with network(tmp_path / "net", forge.hosts) as net: # all sites, by their real names (tests.support.netns)
            forge.serve(net.listener)

`tests.support.forge.client` calls its APIs with nothing but urllib; `tests.support.forge.world` has both of the above,
a Nix and clones. `forge.log` has every request with its answer, `forge.faults.add(faults.drop_after, method="POST",
path="/pulls$")` makes one go wrong, and what it knows is in `forge.site(HOST).find(PATH)`,
to be read and changed.
"""

from flakesync.demo.forge.model import Account, Project, Site
from flakesync.demo.forge.storage import Storage
from flakesync.demo.forge.web.certificates import Certificates, make_certificates
from flakesync.demo.forge.web.messages import Answer, Request
from tests.support.forge.forge import Exchange, Forge
from tests.support.forge.ssh import make_ssh_command

__all__ = [
    "Account",
    "Answer",
    "Certificates",
    "Exchange",
    "Forge",
    "Project",
    "Request",
    "Site",
    "Storage",
    "make_certificates",
    "make_ssh_command",
]
