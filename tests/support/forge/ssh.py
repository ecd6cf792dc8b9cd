"""git over ssh without a server: a script in the place of the ssh program that goes straight to the storage."""

from pathlib import Path

# Called as: [options] [user@]host "git-upload-pack '/acme/lib'"
_SCRIPT = """\
#!/bin/sh
while [ $# -gt 2 ]; do shift; done
host=${{1#*@}}
echo "$host $2" >>'{log}'
eval "set -- $2"
service=${{1#git-}}
case "$2" in *..*) echo "no such repository" >&2; exit 128 ;; esac
cd '{root}'/"$host" || exit 128
exec git -c safe.directory='*' "$service" "./$2"
"""


def make_ssh_command(folder: Path, root: Path) -> Path:
    """Write the script into `folder` and return it: to be GIT_SSH_COMMAND, with GIT_SSH_VARIANT=ssh.

    root: the storage of a forge, ROOT/HOST/OWNER/NAME.git. What is asked for is logged, a line each, in ssh.log
    beside the script.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "ssh"
    script.write_text(_SCRIPT.format(root=root, log=folder / "ssh.log"))
    script.chmod(0o755)
    return script
