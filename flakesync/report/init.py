"""What `flakesync init` found, as text."""

from flakesync.report.text import BLANK, Line, Span, count, line, pad, shown, widest
from flakesync.workspace.discover import Discovery


def render_init(found: Discovery, *, width: int) -> list[Line]:
    """Return the repos that the new manifest lists, and what to do next."""
    lines = [line(Span(f"{shown(str(found.file))}: {count(len(found.repos), 'repo')}", "head")), BLANK]
    column = widest((repo.name for repo in found.repos), most=32)
    for repo in found.repos:
        flakes = "" if repo.flakes == (".",) else f"  ({', '.join(shown(flake) for flake in repo.flakes)})"
        lines.append(line("  ", Span(pad(repo.name, column), "name"), "  ", shown(repo.path), Span(flakes, "dim")))
    if found.pin is not None:
        lines += [BLANK, line("  pin ", Span("nixpkgs", "name"), f"  {shown(found.pin)}")]
    return [*lines, BLANK, line(Span("next: `flakesync graph`, `flakesync drift`"[:width], "dim"))]
