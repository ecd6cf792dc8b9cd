"""The page as a whole: the template, filled with what the documents say, and the policy that guards it."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import flakesync
from flakesync.report.drift.text import summary_text
from flakesync.report.html.given import PageDocuments
from flakesync.report.html.graph import MOST_REPOS, page_graph
from flakesync.report.html.heat import MANY_PINS, heat_rows, oldest
from flakesync.report.html.repos import GLYPHS, PageRepo, page_repos
from flakesync.report.html.sections import audit_rows, held_rows, input_path, short, unchecked_rows, waiting_rows
from flakesync.report.html.timeline import timeline
from flakesync.report.html.visible import visible, web_link
from flakesync.report.text import count

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup


def render_page(given: PageDocuments) -> str:
    """Return the whole page; the same documents make the same bytes."""
    return _template().render(_values(given)) + "\n"


def _values(given: PageDocuments) -> dict[str, object]:
    from markupsafe import Markup

    repos = page_repos(given, sections="all" if len(given.graph.repos) <= MOST_REPOS else "findings")
    rows = heat_rows(given.drift.pins, repos, _seconds(given.at))
    updates = [each for each in given.status.repos if each.stage != "none"] if given.status is not None else []
    to = _RepoLinks({repo.name: repo.id for repo in repos})
    graph = page_graph(given, repos, {row.repo.name: row.days for row in rows})
    style, script = _part("style.css"), _part("script.js")
    return {
        "version": flakesync.__version__,
        "given": given,
        # Our own files, and nothing else, go in as they are.
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "repos": repos,
        "to": to,
        "some": lambda names: Markup(", ").join([to[name] for name in names]),
        "tiles": _tiles(given, repos, oldest(rows)),
        "summary": summary_text(given.drift, len([repo for repo in repos if repo.state != "out"])),
        "graph": graph,
        "pins": given.drift.pins,
        "many": len(given.drift.pins) >= MANY_PINS,
        "rows": rows,
        "waiting": waiting_rows(given.drift),
        "held": held_rows(given.drift, given.sync),
        "audit": audit_rows(given.audit) if given.audit is not None else [],
        "unchecked": unchecked_rows(given.audit) if given.audit is not None else [],
        "timeline": timeline(given.history),
        "updates": [each for each in updates if each.stage != "landed"],
        "any_pull": any(each.pull is not None for each in updates),
        "worst": [row for row in sorted(rows, key=lambda row: -row.days) if row.days > 0 and row.repo.id][:4],
        "landed": sum(each.stage == "landed" for each in updates),
        "outcomes": [each for each in given.sync.repos if each.error or each.failed_upstreams] if given.sync else [],
        "synced": _counted(each.status for each in given.sync.repos) if given.sync is not None else "",
        "group_ids": {node.name: node.id for node in graph.nodes},
        "made": f"{given.at[:10]} {given.at[11:16]} UTC",
    }


class _RepoLinks(dict[str, "Markup"]):
    """The name of a repo as a link to its section, or as text where it has none: thousands, each made once."""

    def __init__(self, ids: Mapping[str, str | None]) -> None:
        super().__init__()
        self._ids = ids

    def __missing__(self, name: str) -> "Markup":
        from markupsafe import Markup, escape

        id, text = self._ids.get(name), escape(visible(name))
        self[name] = Markup('<a href="#{}">{}</a>').format(id, text) if id is not None else text
        return self[name]


def _tiles(given: PageDocuments, repos: list[PageRepo], days: int | None) -> list[tuple[str, str, str]]:
    """Return (style, title, figure) of the tiles at the top."""
    states = [repo.state for repo in repos]
    late, bad = states.count("late"), states.count("bad")
    tiles = [
        ("", "repos", str(len(repos) - states.count("out"))),
        ("ok", "in step", str(states.count("ok"))),
        ("late" if late else "", "out of step", str(late)),
        ("bad" if bad else "", "failed", str(bad)),
    ]
    if days is not None:
        tiles.append(("", "furthest behind", f"{days} d"))
    if given.status is not None:
        updates = [each for each in given.status.repos if each.stage not in ("none", "landed")]
        pulls = [each for each in updates if each.pull is not None and each.pull.state == "open"]
        tiles += [("", "update branches", str(len(updates))), ("", "pull requests", str(len(pulls)))]
    if given.audit is not None:
        counts = given.audit.counts
        found = counts.high + counts.medium + counts.low
        tiles.append(("bad" if counts.high else "late" if counts.medium else "", "audit findings", str(found)))
    return tiles


def _seconds(at: str) -> int:
    """Return a time of the page in seconds since the epoch; 0 where it is none."""
    try:
        return int(datetime.fromisoformat(at).timestamp())
    except ValueError:
        return 0


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{number} {word}" for word, number in Counter(words).most_common())


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {"short": short}
    environment.globals |= {"count": count, "web_link": web_link, "input_path": input_path, "glyphs": GLYPHS}
    return environment.from_string(_part("page.html.j2"))


def _finalize(value: Any) -> Any:
    """Return a value of the template as it may be shown: each of them passes here, before it is escaped."""
    return visible(value) if type(value) is str else value


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return what the policy names a script or a style by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
