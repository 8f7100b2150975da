"""Syslog messages out of a stream of bytes: octet counting and line ends (RFC 6587, RFC 5425).

Every message says by its first byte how it is framed: a digit other than 0 begins its length,
anything else begins a message that ends with a line end or NUL.
"""

MAX_MESSAGE = 256 << 10
"""Bytes that are kept of a message; the rest of a longer one is dropped, and counted."""

_MAX_DIGITS = 9
_DIGITS = frozenset(b"0123456789")


class SyslogFrames:
    """Cuts one connection's bytes into messages; `cut` counts those that were too long.

    Memory is bounded by MAX_MESSAGE and what is fed at once, whatever a sender writes.
    """

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        self.cut = 0
        self._max = max_message
        self._held = b""
        self._drop_bytes = 0  # of a counted message that was too long
        self._drop_line = False  # until the next line end

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that are complete by now, without their framing; empty ones are none."""
        data = self._held + data if self._held else data
        at = 0
        found: list[bytes] = []
        while at < len(data):
            if self._drop_bytes:
                skipped = min(self._drop_bytes, len(data) - at)
                self._drop_bytes -= skipped
                at += skipped
                continue
            count = None if self._drop_line else _count_at(data, at)
            if count == _MORE:
                break
            if count is None:
                end = _line_end(data, at)
                if end < 0:
                    at = self._long_line(data, at, found)
                    break
                self._add(data[at:end], found)
                at = end + 1
                continue
            size, start = count
            if size > self._max:
                if len(data) - start < self._max:
                    break
                found.append(data[start : start + self._max])
                self.cut += 1
                self._drop_bytes, at = size - self._max, start + self._max
            elif len(data) - start < size:
                break
            else:
                self._add(data[start : start + size].rstrip(b"\r\n\0"), found)
                at = start + size
        self._held = data[at:]
        return found

    @property
    def held(self) -> int:
        """Bytes held of a message that is not complete."""
        return len(self._held)

    def give_back(self) -> int:
        """Forget what is held, for it will be fed again; how many bytes that was."""
        held, self._held = len(self._held), b""
        return held

    def end(self) -> list[bytes]:
        """What is left when the sender closes: a last line without an end, or a part of one."""
        rest, self._held = self._held, b""
        count = _count_at(rest, 0) if rest else None
        if isinstance(count, tuple) and count != _MORE:
            rest = rest[count[1] :]
        return [rest[: self._max]] if rest and not (self._drop_line or self._drop_bytes) else []

    def _add(self, message: bytes, found: list[bytes]) -> None:
        if self._drop_line:
            self._drop_line = False
            return
        message = message.rstrip(b"\r")
        if len(message) > self._max:
            self.cut += 1
            message = message[: self._max]
        if message:
            found.append(message)

    def _long_line(self, data: bytes, at: int, found: list[bytes]) -> int:
        """A line whose end has not come: kept until it is too long, then cut."""
        if self._drop_line:
            return len(data)
        if len(data) - at <= self._max:
            return at
        found.append(data[at : at + self._max])
        self.cut += 1
        self._drop_line = True
        return len(data)


_MORE = (-1, -1)
"""The bytes so far do not say yet how the message is framed."""


def _count_at(data: bytes, at: int) -> tuple[int, int] | None:
    """Length of the counted message at `at` and where it starts; None where it is a line."""
    if data[at] == 48 or data[at] not in _DIGITS:
        return None
    stop = at
    while stop < len(data) and stop - at <= _MAX_DIGITS and data[stop] in _DIGITS:
        stop += 1
    if stop == len(data) and stop - at <= _MAX_DIGITS:
        return _MORE
    if stop - at > _MAX_DIGITS or data[stop] != 32:
        return None
    return int(data[at:stop]), stop + 1


def _line_end(data: bytes, at: int) -> int:
    feed = data.find(b"\n", at)
    nul = data.find(b"\0", at) if feed < 0 else data.find(b"\0", at, feed)
    return feed if nul < 0 else nul
