"""A certificate authority of the forge's own, and one certificate for all the names of a forge."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flakesync.errors import FlakesyncError, plain

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_EXTENSIONS = """\
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """ca: what clients have to trust. chain, key: what the server shows."""

    ca: Path
    chain: Path
    key: Path

    def environment(self) -> dict[str, str]:
        """Return the variables that make Nix, git, curl and Python trust this authority, and nothing else."""
        names = ("NIX_SSL_CERT_FILE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        # git's curl would read all authorities of the machine besides: 30 ms for each process.
        return {**{name: str(self.ca) for name in names}, "GIT_SSL_CAPATH": str(self.ca.parent)}


def make_certificates(folder: Path, hosts: Iterable[str]) -> Certificates:
    """Make an authority and a certificate for `hosts`, localhost and the loopback addresses in `folder` (new).

    Raises: FlakesyncError(`openssl`): it failed.
    """
    folder.mkdir(parents=True)
    names = [f"DNS:{host}" for host in dict.fromkeys([*hosts, "localhost"])] + ["IP:127.0.0.1", "IP:::1"]
    (folder / "extensions").write_text(_EXTENSIONS.format(names=",".join(names)))
    # The key usages are written out, as Python 3.13 and later insist on them.
    _openssl(
        folder, "req", "-x509", *_NEW_KEY, "-days", "30", "-subj", "/CN=Authority of the example forge",
        "-keyout", "ca.key", "-out", "ca.pem",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    _openssl(folder, "req", *_NEW_KEY, "-subj", "/CN=example forge", "-keyout", "server.key", "-out", "server.csr")
    _openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "30", "-extfile", "extensions", "-out", "server.pem",
    )  # fmt: skip
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def _openssl(folder: Path, *argv: str) -> None:
    command = ["openssl", *argv]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = plain(done.stderr.decode("utf-8", "replace")).strip()
        raise FlakesyncError("openssl", f"openssl {argv[0]} failed: {words}")
