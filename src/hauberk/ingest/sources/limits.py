"""How much an archive may unpack to, and the counting of it."""

from dataclasses import dataclass, field

from .fault import Fault


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one path given by the user may unpack to."""

    depth: int = 4
    """Archives and compressions inside each other."""
    members: int = 200_000
    """Members of all archives together."""
    unpacked: int = 256 << 30
    """Bytes that come out of all decompressors together."""
    ratio: int = 1000
    """Bytes out for each byte of the path itself, once `ratio_from` bytes came out."""
    ratio_from: int = 256 << 20
    spooled: int = 8 << 30
    """Bytes of one archive that lies in another and has to be copied out to be read."""


@dataclass(slots=True)
class Budget:
    """What is left of the limits for one path given by the user."""

    limits: Limits
    packed: int
    """Size of the path itself in bytes; 0 where unknown."""
    unpacked: int = field(default=0, init=False)
    members: int = field(default=0, init=False)
    breach: str | None = field(default=None, init=False)
    """The limit that was passed: nothing more is read of this path then."""

    def unpack(self, count: int) -> None:
        """Count bytes that came out of a decompressor. Raises Fault past a limit."""
        self.unpacked += count
        limits = self.limits
        if self.unpacked > limits.unpacked:
            self._stop(f"unpacks to more than {limits.unpacked} bytes (limit: unpacked bytes)")
        if (
            self.packed
            and self.unpacked > limits.ratio_from
            and self.unpacked > limits.ratio * self.packed
        ):
            self._stop(
                f"unpacks to more than {limits.ratio} times its size (limit: compression ratio)"
            )

    def member(self) -> None:
        """Count a member of an archive. Raises Fault past the limit, or once another was passed."""
        if self.breach:
            raise Fault(f"the rest was not read: {self.breach}")
        self.members += 1
        if self.members > self.limits.members:
            self._stop(f"holds more than {self.limits.members} members (limit: members)")

    def descend(self, depth: int) -> None:
        """Check a depth of nesting. Raises Fault past the limit."""
        if depth > self.limits.depth:
            raise Fault(f"nested deeper than {self.limits.depth} archives (limit: depth)")

    def _stop(self, reason: str) -> None:
        self.breach = reason
        raise Fault(reason)
