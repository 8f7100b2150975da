"""Accounts, log-on sessions and processes: what Windows events refer to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """A Windows account. `admin` accounts get special privileges when they log on."""

    name: str
    domain: str
    sid: str
    home: str = "C:\\Windows\\system32\\config\\systemprofile"
    admin: bool = False

    @property
    def full(self) -> str:
        """The name with its domain before it, as Windows writes it."""
        return f"{self.domain}\\{self.name}"


SYSTEM_ACCOUNT = Account("SYSTEM", "NT AUTHORITY", "S-1-5-18", admin=True)
LOCAL_SERVICE = Account("LOCAL SERVICE", "NT AUTHORITY", "S-1-5-19")
NETWORK_SERVICE = Account("NETWORK SERVICE", "NT AUTHORITY", "S-1-5-20")


@dataclass(slots=True)
class Session:
    """A log-on session on one host."""

    account: Account
    logon_id: str
    guid: str
    terminal: int = 0
    integrity: str = "System"
    kind: int = 5


@dataclass(slots=True)
class Process:
    """A running process of one host."""

    pid: int
    guid: str
    image: str
    command: str
    session: Session
    version: str = "-"


INTEGRITY_LABELS = {
    "Low": "S-1-16-4096",
    "Medium": "S-1-16-8192",
    "High": "S-1-16-12288",
    "System": "S-1-16-16384",
}
