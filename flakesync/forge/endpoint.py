"""Where a forge's API is, who calls it, and how a person gives a token to it."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from flakesync.errors import plain


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a forge's API is, and who calls it.

    host: as people know it, for messages. api: base URL. token: None where the environment has none. token_env: the
    variables it may be in. ca_file: the only authority to trust, None for those of the system (or of SSL_CERT_FILE).
    public: what everybody may read is asked for without a token too.
    """

    host: str
    api: str
    token: str | None = field(repr=False)
    token_env: tuple[str, ...] = ()
    ca_file: Path | None = None
    public: bool = False

    def clean(self, text: str) -> str:
        """Return `text` without the token, control characters and bidirectional overrides."""
        if self.token:
            for form in {self.token, quote(self.token, safe="")}:
                text = text.replace(form, "…")
        return plain(text)

    def about_the_token(self) -> str:
        """Return the advice where the forge does not take the token, or there is none."""
        if self.token is None:
            return self.how_to_give_one()
        return f"is the token in {' or '.join(self.token_env)} still valid?"

    def how_to_give_one(self) -> str:
        """Return the advice where there is no token."""
        names = " or ".join(self.token_env)
        table = f'[forges."{self.host}"]'
        return f"put one into {names}" if names else f"name the variable that holds one: `token-env` in {table}"
