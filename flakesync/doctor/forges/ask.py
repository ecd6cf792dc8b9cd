"""Single questions to a forge's API: answered at once or not at all, with the headers of the answer."""

import re
import time
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec

from flakesync.errors import plain
from flakesync.forge.hosts import adapter_of
from flakesync.forge.refusals import in_one_line, lines_in
from flakesync.net.http import Web
from flakesync.workspace.hosts import Account, Hosts

T = TypeVar("T")

_CONNECT_S, _READ_S = 5.0, 10.0
_LARGEST_BYTES = 4 << 20
_LIMITED = re.compile(r"rate limit|abuse detection", re.IGNORECASE)


class ForgeAnswer(NamedTuple):
    """What a forge says. headers: names in lower case. at: our own clock in the middle of the call, in seconds."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    at: float

    @property
    def is_limited(self) -> bool:
        """Whether the call was turned away because of a rate limit."""
        if self.status == 429:
            return True
        spent = self.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in self.headers
        return self.status == 403 and (spent or _LIMITED.search(self.content.decode("utf-8", "replace")) is not None)

    def read(self, expect: type[T]) -> T | None:
        """Return the body as a value; None: it is another answer than expected, or none of 200."""
        if self.status != 200:
            return None
        try:
            return msgspec.json.decode(self.content, type=expect)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class ForgeQuestions:
    """Asks one forge; threads may share it. A call has no second try, and no redirect is followed."""

    def __init__(self, account: Account, hosts: Hosts) -> None:
        """account: of the forge's host, with a token. hosts: know what must not be shown."""
        adapter = adapter_of(account.kind)
        self.account = account
        self._hosts = hosts
        self._headers = adapter.headers(account.token or "") if adapter is not None else {}
        self._web = Web(account.ca_file, connect_s=_CONNECT_S, read_s=_READ_S)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def ask(self, path: str) -> ForgeAnswer:
        """Return the answer to a GET below the API's base, whatever its status. Raises: NoAnswerError of net."""
        begun = time.time()
        url = f"{self.account.api.rstrip('/')}{path}"
        with self._web.open("GET", url, headers=self._headers, limit_bytes=_LARGEST_BYTES) as answer:
            content = b"".join(answer.pieces)
            return ForgeAnswer(answer.status, answer.headers, content, (begun + time.time()) / 2)

    def words(self, answer: ForgeAnswer) -> str:
        """Return what an answer says, in a line, as it may be shown: a server may repeat what it was sent."""
        said = in_one_line([self.clean(line) for line in lines_in(answer.content)])
        return f"status {answer.status}{f': {said[:300]}' if said else ''}"

    def clean(self, text: str) -> str:
        """Return a text without any token and control characters."""
        return plain(self._hosts.clean(text))

    @property
    def token(self) -> str:
        """What the token is called."""
        names = self.account.token_env
        return f"the token in {' or '.join(names)}" if names else "the token"
