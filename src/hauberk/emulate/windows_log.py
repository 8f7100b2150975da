"""Windows events as Winlogbeat ships them: one JSON object a line."""

from functools import cache
from typing import NamedTuple

import orjson

from .logs import NUMBER, Logs
from .times import iso

_FILE = "windows/winlogbeat-{day}.ndjson"
_BEAT = "8.17.0"


class Channel(NamedTuple):
    """A Windows log and the provider that writes it."""

    name: str
    provider: str
    guid: str


SYSMON = Channel(
    "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-Sysmon",
    "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
)
SECURITY = Channel(
    "Security", "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-A5BA-3E3B0328C30D}"
)
SYSTEM = Channel("System", "Service Control Manager", "{555908D1-A6D7-4695-8E1E-26931D2012F4}")
POWERSHELL = Channel(
    "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-PowerShell",
    "{A0C1853B-5C40-4B15-8766-3CF1C58F985A}",
)
EVENTLOG = Channel(
    "Security", "Microsoft-Windows-Eventlog", "{FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148}"
)

_FAILURES = frozenset({4625, 4771})


class WindowsLog:
    """All channels of one computer."""

    def __init__(self, logs: Logs, computer: str, first_record: int) -> None:
        self._logs = logs
        self._computer = computer
        self._first = first_record
        self._numbers: dict[str, list[int]] = {}
        self._heads: dict[tuple[Channel, int], bytes] = {}

    def write(
        self, channel: Channel, event_id: int, time: float, data: dict[str, str], pid: int = 4
    ) -> None:
        """Add one event; `data` are the fields of its <EventData>, `pid` who wrote it."""
        head = self._heads.get((channel, event_id))
        if head is None:
            head = self._heads[channel, event_id] = self._head(channel, event_id)
        number = self._numbers.setdefault(channel.name, [self._first])
        line = b'{"@timestamp":"%b%b%d,"thread":{"id":%d}},"record_id":%b,"event_data":%b}}' % (
            iso(time).encode(),
            head,
            pid,
            pid + 4 * (event_id % 97) + 12,
            NUMBER,
            orjson.dumps(data),
        )
        self._logs.put(_FILE, time, line, number)

    def _head(self, channel: Channel, event_id: int) -> bytes:
        name = self._computer.split(".")[0].upper()
        beat = {"type": "winlogbeat", "version": _BEAT, "name": name}
        outcome = "failure" if event_id in _FAILURES else "success"
        event = {"code": str(event_id), "kind": "event", "provider": channel.provider}
        if channel is SECURITY:
            event["outcome"] = outcome
        winlog = {
            "channel": channel.name,
            "computer_name": self._computer,
            "event_id": str(event_id),
            "provider_name": channel.provider,
            "provider_guid": channel.guid,
            "opcode": "Info",
            "level": "information",
        }
        return (
            b'","agent":%b,"event":%b,"host":{"name":%b},"log":{"level":"information"},'
            b'"winlog":%b,"process":{"pid":'
            % (
                orjson.dumps(beat),
                orjson.dumps(event),
                orjson.dumps(self._computer),
                orjson.dumps(winlog)[:-1],
            )
        )


@cache
def hexadecimal(number: int) -> str:
    """0x1f4, as the Security log writes ids."""
    return f"0x{number:x}"
