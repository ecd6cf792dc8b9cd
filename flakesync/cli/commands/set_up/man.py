"""`flakesync man`."""

from flakesync.cli.options import Common, with_common


@with_common()
def man(common: Common) -> int:
    """Not there yet."""
    raise NotImplementedError
