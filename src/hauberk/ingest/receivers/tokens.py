"""Bearer tokens of sources: 256 random bits each, of which only digests are kept.

A digest without salt or stretching is enough for a secret that nobody can guess; what stands in
the file opens nothing.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path

from hauberk.errors import HomeDamagedError

TOKENS = Path("keys") / "tokens.json"

_PREFIX = "hbk_"
_FORM = re.compile(r"hbk_[A-Za-z0-9_-]{43}\Z")


class Tokens:
    """The tokens of one home; what another process adds or takes away is seen at once.

    `file` (in the home) says for what: tokens of one file open nothing that another's are for.
    """

    def __init__(self, home: Path, file: Path = TOKENS) -> None:
        self._file = home / file
        self._read: tuple[int, int] | None = None
        self._sources: dict[str, str] = {}  # digest: source

    def source_of(self, token: str) -> str | None:
        """The source that a token is for; None where it is none. Raises HomeDamagedError."""
        if not _FORM.match(token):
            return None
        self._refresh()
        digest, found = _digest(token), None
        for known, source in self._sources.items():
            if hmac.compare_digest(known, digest):
                found = source
        return found

    def names(self) -> dict[str, int]:
        """Sources and how many tokens each has. Raises HomeDamagedError."""
        self._refresh()
        counts: dict[str, int] = {}
        for source in self._sources.values():
            counts[source] = counts.get(source, 0) + 1
        return counts

    def make(self, source: str) -> str:
        """A further token for a source: the only time that it is seen. Raises HomeDamagedError."""
        self._refresh()
        token = _PREFIX + secrets.token_urlsafe(32)
        self._write({**self._sources, _digest(token): source})
        return token

    def revoke(self, source: str) -> int:
        """Take away all tokens of a source; how many there were. Raises HomeDamagedError."""
        self._refresh()
        kept = {digest: name for digest, name in self._sources.items() if name != source}
        gone = len(self._sources) - len(kept)
        if gone:
            self._write(kept)
        return gone

    def _refresh(self) -> None:
        try:
            status = self._file.stat()
        except FileNotFoundError:
            self._read, self._sources = None, {}
            return
        seen = (status.st_ino, status.st_mtime_ns)
        if seen == self._read:
            return
        try:
            known = json.loads(self._file.read_bytes())
            self._sources = {str(digest): str(name) for digest, name in known.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise HomeDamagedError(
                "the digests of tokens cannot be read",
                where=str(self._file),
                hint="Take the file away and make the tokens anew",
            ) from error
        self._read = seen

    def _write(self, sources: dict[str, str]) -> None:
        # A home that is still to be made may hold keys already.
        self._file.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        partial = self._file.with_suffix(f".{os.getpid()}")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(sources, out)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self._file)
        self._refresh()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
