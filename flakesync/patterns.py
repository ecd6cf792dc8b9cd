"""Regular expressions that are compiled when they are first used.

Compiling those of all modules that a command imports takes a tenth of its start, and most of them look at what a run
does not have: a URL that is odd, an error, a date.
"""

import re
from typing import cast


class _Later:
    """Becomes the methods of a compiled pattern at the first use of one of its attributes, whichever thread's it is."""

    def __init__(self, text: str, flags: int) -> None:
        self._args = (text, flags)

    def __getattr__(self, name: str) -> object:
        """Compile the pattern: Python asks here only for what is not set yet."""
        if name.startswith("__"):  # what `copy` and the like look for
            raise AttributeError(name)
        compiled = re.compile(*self._args)
        # From now on a method is found in the instance, at once.
        self.__dict__.update({each: getattr(compiled, each) for each in dir(compiled) if not each.startswith("_")})
        value: object = getattr(compiled, name)
        return value


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return a regular expression, as `re.compile` does, which is compiled when it is first used.

    An expression that is wrong raises re.error only then: it is for constants.
    """
    return cast("re.Pattern[str]", _Later(text, flags))
