"""The page as a whole."""

from flakesync.report.html.given import PageDocuments


def render_page(given: PageDocuments) -> str:
    """Return the whole page; the same documents make the same bytes."""
    raise NotImplementedError
