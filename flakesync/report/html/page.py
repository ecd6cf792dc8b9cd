"""The page as a whole."""

from importlib import resources

from flakesync.report.html.given import PageDocuments


def render_page(given: PageDocuments) -> str:
    """Return the whole page; the same documents make the same bytes."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_part("page.html.j2"))
    return template.render(given=given, style=Markup(_part("style.css")), script=Markup(_part("script.js")))  # noqa: S704


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
