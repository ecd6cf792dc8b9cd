"""Commits with signatures of all kinds, real ones of ssh-keygen, in one bare repository.

signed = make_signed(tmp_path)
verify_commit(signed.repository, signed.revs["alice"], signed.signers)
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from flakesync.terms import Rev

_PEOPLE = "author A <a@acme.example> 1700000000 +0000\ncommitter A <a@acme.example> {time} +0000\n"
TIME = 1_700_000_000
"""When the commits are of: 14 November 2023."""


@dataclass(frozen=True)
class Signed:
    """repository: bare. signers: a file that allows the key `alice` alone. revs: commits by name, see `make_signed`."""

    root: Path
    repository: Path
    signers: Path
    revs: dict[str, Rev]

    def public(self, name: str) -> str:
        """Return a public key as a line of an allowed-signers file has it: its kind and itself."""
        return " ".join((self.root / f"{name}.pub").read_text().split()[:2])

    def signers_with(self, *lines: str) -> Path:
        """Return a new file of allowed signers."""
        place = self.root / f"signers-{len(list(self.root.iterdir()))}"
        place.write_text("".join(f"{line}\n" for line in lines))
        return place

    def commit(self, text: bytes, *, kind: str = "commit") -> Rev:
        """Store an object and return its id."""
        argv = ["git", "hash-object", "--literally", "-t", kind, "-w", "--stdin"]
        done = subprocess.run(argv, cwd=self.repository, input=text, check=True, capture_output=True)
        return Rev(done.stdout.decode().strip())

    def sign(self, text: bytes, name: str, *, namespace: str = "git") -> bytes:
        """Return what ssh-keygen signs a text with."""
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(self.root / name)]
        return subprocess.run(argv, input=text, check=True, capture_output=True).stdout


def with_signature(text: bytes, signature: bytes, *, key: bytes = b"gpgsig") -> bytes:
    """Return the text of a commit with a signature in its header, as git folds it."""
    head, _, message = text.partition(b"\n\n")
    folded = signature.strip().replace(b"\n", b"\n ")
    return head + b"\n" + key + b" " + folded + b"\n\n" + message


def make_signed(root: Path, *, sha256: bool = False) -> Signed:
    """Make the repository.

    plain: not signed. alice: signed with an allowed key. mallory: with another one. altered: alice's signature on
    another message. garbled: a signature that is none. file: alice's signature, made for files. pgp, x509, odd:
    signatures of other kinds. tag: no commit, but a tag of alice's.
    """
    repository = root / "signed.git"
    kind = "sha256" if sha256 else "sha1"
    subprocess.run(
        ["git", "init", "-q", "-b", "main", "--bare", f"--object-format={kind}", str(repository)], check=True
    )
    for name in ("alice", "mallory"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(root / name)]
        subprocess.run(argv, check=True)
    made = Signed(root, repository, root / "signers", {})
    made.signers.write_text(f"alice@acme.example {made.public('alice')}\n")
    tree = made.commit(b"", kind="tree")
    text = f"tree {tree}\n{_PEOPLE.format(time=TIME)}\nWork\n".encode()
    key = b"gpgsig-sha256" if sha256 else b"gpgsig"
    signature = made.sign(text, "alice")
    texts = {
        "plain": text,
        "alice": with_signature(text, signature, key=key),
        "mallory": with_signature(text, made.sign(text, "mallory"), key=key),
        "altered": with_signature(text.replace(b"Work", b"Evil"), signature, key=key),
        "garbled": with_signature(text, b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", key=key),
        "file": with_signature(text, made.sign(text, "alice", namespace="file"), key=key),
        "pgp": with_signature(text, b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----", key=key),
        "x509": with_signature(text, b"-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----", key=key),
        "odd": with_signature(text, b"trust me", key=key),
    }
    for name, content in texts.items():
        made.revs[name] = made.commit(content)
    tag = f"object {made.revs['alice']}\ntype commit\ntag v1\ntagger A <a@acme.example> {TIME} +0000\n\nv1\n"
    made.revs["tag"] = made.commit(tag.encode(), kind="tag")
    return made
