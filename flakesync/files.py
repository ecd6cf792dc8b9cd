"""Files that are put in the place of others in one step: as a whole, or the old one stays."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(place: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Write `data` to a file beside `place`, give that file, and put it in its place when the block ends.

    mode: its permissions. Beside it, so that paths in it mean the same and a rename is one step. After an error in the
    block, or in writing, `place` is as it was and nothing is left beside it.

    Raises: OSError.
    """
    handle, name = tempfile.mkstemp(prefix=f".{place.name[:100]}.", dir=place.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        yield part
        part.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
