"""README.md for package indexes, which have no files beside it: links to such become their text, and pictures go."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?://)[^)]*\)\n*")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#)([^)]*)\)")


class ReadmeHook(MetadataHookInterface):
    """Hatch asks it for the description when a wheel or an sdist is built."""

    def update(self, metadata: dict[str, object]) -> None:
        """Give the README, with links that begin at `links` of pyproject.toml's hook, or with none to files."""
        text = Path(self.root, "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_index(text, self.config.get("links"))}


def for_index(text: str, base: str | None) -> str:
    """Return a document without pictures and links that need a file beside it.

    base: where the files are on the web (`https://forge.example/acme/flakesync/src/v1/`), None where that is not known.
    """
    # Code keeps what looks like a link in it.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_LINK.sub(_link(base), _PICTURE.sub("", part)) for part in parts[::2]]
    return "".join(parts)


def _link(base: str | None) -> str:
    return r"\1" if base is None else rf"[\1]({base.rstrip('/')}/\2)"
