"""The kinds of output by name, and the settings that all of them share.

A kind is a module with `target(table) -> object` (its own settings, whose `where` names the
receiver for people and whose `notes` are what an operator should know), its `KEYS`, its `FILTER`
and `sender(target) -> Sender`; it is loaded when some output is of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from hauberk.errors import UsageError
from hauberk.store import Settings, Table

from .cursor import is_name
from .interface import Filter, Output, Sender

KINDS = {
    "http": "http",
    "syslog": "syslog",
    "nats": "nats",
    "kafka": "kafka",
    "file": "files",
    "notify": "notify",
    "stix": "stix_files",
}
SEVERITIES = ("informational", "low", "medium", "high", "critical")

_COMMON = ("kind", "on", "from", "send", "least_probability", "least_severity", "above_budget",
           "leave_out", "raw")  # fmt: skip
_EXTRAS = {"nats": "nats", "confluent_kafka": "kafka", "apprise": "notify", "stix2": "stix"}


class Target(Protocol):
    """A kind's own settings."""

    @property
    def where(self) -> str:
        """The receiver, for people; no secret is in it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know of these settings."""
        ...


class Kind(Protocol):
    """The module of a kind."""

    KEYS: Sequence[str]
    FILTER: Filter

    def target(self, table: Table) -> Target:
        """Its settings. Raises UsageError."""
        ...

    def sender(self, target: Target) -> Sender:
        """A sender, which is not connected yet. Raises UsageError."""
        ...


def _kind(name: str, where: str) -> Kind:
    try:
        return cast("Kind", import_module(f"{__package__}.{KINDS[name]}"))
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise UsageError(
            f"an output of kind {name} needs {error.name}, which is not installed", where=where,
            hint=f"pip install 'hauberk[{extra}]'",
        ) from error  # fmt: skip


def read_outputs(settings: Settings) -> list[Output]:
    """The outputs of a home that are on, in their order. Raises UsageError naming file and line."""
    return [
        output
        for name, table in settings.table("outputs").tables()
        if (output := _read(name, table)) is not None
    ]


@dataclass(frozen=True, slots=True)
class _Shared:
    filter: Filter
    from_beginning: bool


def _read(name: str, table: Table) -> Output | None:
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name an output", where=table.where(),
            hint="Expected letters, digits, _ and -, at most 64",
        )  # fmt: skip
    expected = f"one of {', '.join(KINDS)}"
    kind = table.text("kind", expected)
    if kind not in KINDS:
        raise table.wrong("kind", expected)
    module = _kind(kind, table.where())
    table.only(*_COMMON, *module.KEYS)
    shared = _shared(table, module.FILTER)
    target = module.target(table)
    if not table.flag("on", default=True):
        return None
    notes = target.notes + (("raw records are sent",) if shared.filter.raw else ())
    return Output(name, kind, target.where, target, shared.filter, shared.from_beginning, notes)


def _shared(table: Table, usual: Filter) -> _Shared:
    since = table.text("from", default="now")
    if since not in ("now", "beginning"):
        raise table.wrong("from", '"now" or "beginning"')
    expected = 'a list of "findings", "incidents" or both'
    send = table.texts("send", expected) if "send" in table else _sends(usual)
    if not send or not set(send) <= {"findings", "incidents"}:
        raise table.wrong("send", expected)
    if "findings" in send and not usual.findings:
        raise table.wrong("send", 'nothing but ["incidents"] for this kind')
    severity = table.text("least_severity", default=SEVERITIES[0])
    if severity not in SEVERITIES:
        raise table.wrong("least_severity", f"one of {', '.join(SEVERITIES)}")
    paths = table.texts("leave_out", 'a list of fields such as ["unmapped.reasons"]')
    least = SEVERITIES.index(severity) + 1 if "least_severity" in table else usual.least_severity
    return _Shared(
        Filter(
            findings="findings" in send,
            incidents="incidents" in send,
            least_probability=table.number(
                "least_probability", usual.least_probability, least=0, most=1
            ),
            least_severity=least,
            within_budget=table.flag("above_budget", default=usual.within_budget),
            only_new=usual.only_new,
            leave_out=tuple(tuple(one.split(".")) for one in paths),
            raw=table.flag("raw", default=False),
        ),
        since == "beginning",
    )


def _sends(usual: Filter) -> list[str]:
    given = (("findings", usual.findings), ("incidents", usual.incidents))
    return [name for name, wanted in given if wanted]


def sender_of(output: Output) -> Sender:
    """A sender for an output, not connected yet. Raises UsageError."""
    return _kind(output.kind, output.name).sender(cast("Target", output.target))
