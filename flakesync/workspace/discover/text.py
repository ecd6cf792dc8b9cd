"""The text of the manifest that `init` writes."""

from collections.abc import Iterable, Mapping, Sequence

from flakesync.errors import plain
from flakesync.workspace.schema.document import SCHEMA_FILE

_HEADER = f"""\
#:schema ./{SCHEMA_FILE}
# The flake repositories of this workspace, as `flakesync init` found them: names, groups and pins are yours to change.
# `flakesync graph` shows what depends on what, `flakesync drift` who is behind.
# `flakesync schema workspace` prints every key with its meaning and its default.
"""


def manifest_text(
    name: str, pins: Mapping[str, str], repos: Mapping[str, Mapping[str, object]], remarks: Mapping[str, Sequence[str]]
) -> str:
    """Return a manifest as load_workspace reads it back.

    pins: the source of each. repos: the table of each. remarks: lines of comment below the heading of a repo's table.
    """
    import tomli_w

    parts = [_HEADER, tomli_w.dumps({"workspace": {"name": plain(name)}})]
    parts += [tomli_w.dumps({"pins": {pin: {"source": source, "target": "latest"}}}) for pin, source in pins.items()]
    for repo, table in repos.items():
        heading, _, rest = tomli_w.dumps({"repos": {repo: table}}).partition("\n")
        parts.append("\n".join([heading, *_comments(remarks.get(repo, ())), rest]))
    return "\n".join(parts)


def _comments(lines: Iterable[str]) -> Iterable[str]:
    # Whatever a file is called: a comment is one line.
    return (f"# {' '.join(plain(each).split())}" for each in lines)
