"""The history that an earlier run has published: in a file, or at an address."""

import re
from pathlib import Path

from flakesync.history.append import read_file
from flakesync.history.read import LIMIT_BYTES, read_history
from flakesync.net.http import Answer, NoAnswerError, Web
from flakesync.net.urls import WEB, origin
from flakesync.net.wall import is_offline
from flakesync.processes.stop import pause
from flakesync.secrets import hide_secrets

_SILENCE_S = 30.0
_PAUSES_S = (1.0, 4.0)
"""How long is waited before a server that cannot answer now is asked again: who publishes the page without its history
loses it."""


class NoHistoryError(Exception):
    """There is no history, or it cannot be had: why, for people. again: it may be had a moment later."""

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def is_address(source: str) -> bool:
    """Tell whether a history is at an address, and not in a file."""
    return "://" in source


def published(source: str) -> bytes:
    """Return what is in the history of an earlier run. source: its file, or its address (https, http).

    Raises:
        NoHistoryError: there is none, it cannot be read, or it holds no line of a history.
        FlakesyncError: `interrupted`.
    """
    data = _at_address(source) if is_address(source) else _in_file(Path(source))
    if data.strip() and not read_history(data).lines:
        raise NoHistoryError("it holds no line of a history")
    return data


def _in_file(place: Path) -> bytes:
    try:
        data = read_file(place)
    except OSError as error:
        raise NoHistoryError(f"it cannot be read: {error.strerror or error}") from None
    if data is None:
        raise NoHistoryError("there is no such file")
    return data


def _at_address(url: str) -> bytes:
    if origin(url)[0] not in WEB:
        raise NoHistoryError("only https and http addresses can be read")
    if is_offline():
        raise NoHistoryError("it is not asked for with --offline")
    for pause_s in _PAUSES_S:
        try:
            return _ask(url)
        except NoHistoryError as error:
            if not error.again:
                raise
        pause(pause_s)
    return _ask(url)


def _ask(url: str) -> bytes:
    secure = origin(url)[0] == "https"

    def visit(answer: Answer) -> None:
        if secure and answer.target is not None and origin(answer.target)[0] != "https":
            raise NoAnswerError("redirect", "a redirect to an address without TLS")

    try:
        with (
            Web(connect_s=_SILENCE_S, read_s=_SILENCE_S, as_nix=True) as web,
            web.follow("GET", url, limit_bytes=LIMIT_BYTES, visit=visit) as answer,
        ):
            if answer.status == 200:
                return b"".join(answer.pieces)
            again = answer.status == 429 or answer.status >= 500
            raise NoHistoryError(f"HTTP {answer.status} {answer.reason}".rstrip(), again=again)
    except NoAnswerError as error:
        again = error.trouble in ("connect", "connect-timeout", "timeout", "broken")
        reason = re.sub(r"^\[Errno -?[0-9]+\] ", "", error.reason)
        raise NoHistoryError(hide_secrets(reason), again=again) from None
    except ValueError:  # an address that is none
        raise NoHistoryError("it is no address") from None
