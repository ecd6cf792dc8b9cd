"""Which versions of git's libraries are at work."""

from importlib.metadata import version


def library_versions() -> dict[str, str]:
    """Return name → version of the libraries that read and write repositories.

    Raises: ImportError: one of them is not there, or cannot be loaded.
    """
    import pygit2

    return {"GitPython": version("GitPython"), "pygit2": version("pygit2"), "libgit2": pygit2.LIBGIT2_VERSION}
