"""`flakesync import`."""

from flakesync.cli.options import Common, with_common


@with_common()
def import_(common: Common) -> int:
    """Not there yet."""
    raise NotImplementedError
