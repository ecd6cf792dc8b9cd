"""`flakesync doctor`."""

from flakesync.cli.options import Common, with_common


@with_common()
def doctor(common: Common) -> int:
    """Not there yet."""
    raise NotImplementedError
