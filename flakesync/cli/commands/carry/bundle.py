"""`flakesync bundle`."""

from flakesync.cli.options import Common, with_common


@with_common()
def bundle(common: Common) -> int:
    """Not there yet."""
    raise NotImplementedError
