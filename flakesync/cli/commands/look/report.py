"""`flakesync report`."""

from flakesync.cli.options import Common, with_common


@with_common()
def report(common: Common) -> int:
    """Not there yet."""
    raise NotImplementedError
