"""Tells systemd how we are, by the datagrams of sd_notify(3); without systemd nothing is told."""

import contextlib
import os
import socket
from collections.abc import Mapping

_PATIENCE = 0.5


class Notifier:
    """The service manager that the environment names, if it names one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ lies in Linux's abstract name space.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.every = _watchdog(environment)
        """Seconds between signs of life; None where nobody waits for them."""

    def tell(self, *said: str) -> None:
        """Send assignments such as `READY=1`. Never raises."""
        self.send("\n".join(said).encode())

    def send(self, said: bytes, *descriptors: int) -> None:
        """Send assignments, with descriptors for its store. Never raises."""
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(_PATIENCE)  # a manager that does not listen must not hold us up
            out.connect(self._address)
            socket.send_fds(out, [said], descriptors)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Half of the time after which systemd takes us for dead, as sd_watchdog_enabled(3) advises."""
    try:
        micros = int(environment.get("WATCHDOG_USEC", "0"))
        pid = int(environment.get("WATCHDOG_PID", str(os.getpid())))
    except ValueError:
        return None
    return micros / 2e6 if micros > 0 and pid == os.getpid() else None
