"""Draws docs/drift.svg: `flakesync graph` and `flakesync drift` on the demo workspace, as a terminal shows them.

python docs/picture.py DIR        DIR: where `flakesync demo DIR` has built the workspace
"""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100


def shown(command: list[str], folder: str) -> str:
    """Return what a command writes to a terminal."""
    main, other = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(command, cwd=folder, stdout=other, stderr=other, env=environ):
        os.close(other)
        parts: list[bytes] = []
        try:
            while part := os.read(main, 65536):
                parts.append(part)
        except OSError:
            pass  # Linux ends a terminal without writers with EIO
    return b"".join(parts).decode().replace("\r\n", "\n")


def main() -> None:
    """Draw the picture."""
    console = Console(record=True, width=WIDTH, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    for words in ("graph", "drift"):
        console.print(f"[bold]$[/bold] flakesync {words}")
        console.print(Text.from_ansi(shown([sys.executable, "-m", "flakesync", *words.split()], sys.argv[1])))
    # Without its web fonts: a picture that fetches nothing; the viewer's own monospace font does.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="flakesync"), flags=re.DOTALL)
    Path(__file__).with_name("drift.svg").write_text(svg.replace("Fira Code, monospace", "monospace"))


if __name__ == "__main__":
    main()
