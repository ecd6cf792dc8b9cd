"""What `flakesync init` found, as text."""

from flakesync.report.text import BLANK, Line, Span, beside, count, fold, line, row, share, shown, widest
from flakesync.workspace.discover import Discovery


def render_init(found: Discovery, *, width: int) -> list[Line]:
    """Return the repos that the new manifest lists, and what to do next."""
    title = line(Span(f"{shown(str(found.file))}: {count(len(found.repos), 'repo')}", "head"))
    lines = [*fold(title, width), BLANK]
    column = min(widest(repo.name for repo in found.repos), share(width, 2 + 2 + 16, 32))
    for repo in found.repos:
        flakes = "" if repo.flakes == (".",) else f"  ({', '.join(shown(flake) for flake in repo.flakes)})"
        place = line(shown(repo.path), Span(flakes, "dim"))
        lines += beside(row([(line(Span(repo.name, "name")), column)]), fold(place, width - column - 4), column + 4)
    lines += [BLANK] if found.pins else []
    for pin in found.pins:
        taken = Span(f"  {count(pin.repos, 'repo')}", "dim")
        lines += fold(line("  pin ", Span(pin.name, "name"), f"  {shown(pin.source)}", taken), width, 6)
    return [*lines, BLANK, *fold(line(Span("next: `flakesync graph`, `flakesync drift`", "dim")), width)]
