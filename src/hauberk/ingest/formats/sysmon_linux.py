"""Sysmon for Linux: Windows' event XML as the message of a syslog line.

Source: https://github.com/microsoft/SysmonForLinux; the fields are those of Sysmon's manifest.
"""

import polars as pl

from hauberk.events import EventClass, LogKey, from_iso
from hauberk.ingest.interface import ParsedGroup, Reject

from .lines import Numbers
from .timed import kept_of, timed_group

_NAMES = (
    "RuleName", "UtcTime", "ProcessGuid", "ProcessId", "Image", "OriginalFileName", "CommandLine",
    "CurrentDirectory", "User", "LogonGuid", "LogonId", "TerminalSessionId", "IntegrityLevel",
    "Hashes", "ParentProcessGuid", "ParentProcessId", "ParentImage", "ParentCommandLine",
    "ParentUser", "Protocol", "Initiated", "SourceIp", "SourceHostname", "SourcePort",
    "DestinationIp", "DestinationHostname", "DestinationPort", "TargetFilename",
    "CreationUtcTime", "Device", "IsExecutable", "Archived", "Configuration", "State", "Version",
)  # fmt: skip

_CLASSES = {
    "1": EventClass.PROCESS_ACTIVITY,
    "3": EventClass.NETWORK_ACTIVITY,
    "5": EventClass.PROCESS_ACTIVITY,
    "11": EventClass.FILE_ACTIVITY,
    "23": EventClass.FILE_ACTIVITY,
    "26": EventClass.FILE_ACTIVITY,
}
_ACTIVITIES = {"1": 1, "3": 1, "5": 2, "11": 1, "23": 4, "26": 4}
_KNOWN = tuple(str(number) for number in range(1, 30))

_PROCESS = {
    "process.file.path": "Image", "process.cmd_line": "CommandLine", "process.uid": "ProcessGuid",
    "process.integrity": "IntegrityLevel", "process.working_directory": "CurrentDirectory",
    "process.file.hashes": "Hashes", "process.file.internal_name": "OriginalFileName",
    "process.parent_process.file.path": "ParentImage",
    "process.parent_process.cmd_line": "ParentCommandLine",
    "process.parent_process.uid": "ParentProcessGuid",
}  # fmt: skip
_ACTOR = {"actor.process.file.path": "Image", "actor.process.uid": "ProcessGuid"}
_NETWORK = {
    "src_endpoint.ip": "SourceIp", "src_endpoint.hostname": "SourceHostname",
    "dst_endpoint.ip": "DestinationIp", "dst_endpoint.hostname": "DestinationHostname",
    "connection_info.protocol_name": "Protocol",
}  # fmt: skip


def is_sysmon(program: pl.Series, message: pl.Series) -> pl.Series:
    """Which lines carry an event of Sysmon."""
    named = (program.str.to_lowercase() == "sysmon").fill_null(value=False)
    return named & message.str.starts_with("<Event>").fill_null(value=False)


def sysmon_groups(
    source: pl.DataFrame, numbers: Numbers, places: tuple[Numbers, Numbers]
) -> tuple[list[ParsedGroup], list[Reject]]:
    """Events by event id, out of messages that `is_sysmon`.

    `source` is as for `syslog.message_groups`; row i is record `numbers[i]`.
    """
    xml = pl.col("message")
    table = source.select(
        "time", "device.hostname",
        xml.str.extract(r"<EventID>(\d{1,5})</EventID>", 1).alias("EventID"),
        xml.str.extract(r"<Computer>([^<]*)</Computer>", 1).alias("Computer"),
        *(
            _unescaped(xml.str.extract(rf'<Data Name="{name}">([^<]*)</Data>', 1)).alias(name)
            for name in _NAMES
        ),
    )  # fmt: skip
    code = pl.col("EventID")
    table = table.with_columns(
        pl.when(code.is_in(_KNOWN)).then(code).otherwise(pl.lit("")).alias("code"),
        from_iso(table["UtcTime"]).fill_null(table["time"]).alias("time"),
    ).with_row_index("at")
    groups: list[ParsedGroup] = []
    rejects: list[Reject] = []
    for part in table.partition_by("code", maintain_order=True):
        event_code = str(part["code"][0])
        event_class = _CLASSES.get(event_code, EventClass.BASE_EVENT)
        shown = part.drop("at", "time", "device.hostname", "code")
        made, untimed = timed_group(
            LogKey("linux", "sysmon", event_code), event_class, _events(part, event_code),
            kept_of(shown), numbers[part["at"].to_numpy()], places,
        )  # fmt: skip
        groups += made
        rejects += untimed
    return groups, rejects


def _events(part: pl.DataFrame, code: str) -> pl.DataFrame:
    """OCSF columns of events that have one id."""
    user = pl.col("User")
    columns = [
        pl.col("time"),
        pl.lit(_ACTIVITIES.get(code, 99), pl.Int32()).alias("activity_id"),
        pl.lit("linux").alias("metadata.product.name"),
        pl.lit("sysmon").alias("metadata.log_name"),
        pl.lit(code).alias("metadata.event_code"),
        pl.col("device.hostname").fill_null(pl.col("Computer")),
        pl.when(user != "-").then(user).alias("actor.user.name"),
    ]
    match _CLASSES.get(code, EventClass.BASE_EVENT):
        case EventClass.PROCESS_ACTIVITY:
            columns += [pl.col(name).alias(column) for column, name in _PROCESS.items()]
            columns += [
                pl.col("Image").str.extract(r"([^/]+)$", 1).alias("process.name"),
                pl.col("ParentImage").str.extract(r"([^/]+)$", 1)
                .alias("process.parent_process.name"),
                _whole("ProcessId").alias("process.pid"),
                _whole("ParentProcessId").alias("process.parent_process.pid"),
                pl.col("LogonId").alias("actor.session.uid"),
            ]  # fmt: skip
        case EventClass.NETWORK_ACTIVITY:
            columns += [pl.col(name).alias(column) for column, name in (_ACTOR | _NETWORK).items()]
            columns += [
                _whole("ProcessId").alias("actor.process.pid"),
                _whole("SourcePort").alias("src_endpoint.port"),
                _whole("DestinationPort").alias("dst_endpoint.port"),
            ]
        case EventClass.FILE_ACTIVITY:
            columns += [pl.col(name).alias(column) for column, name in _ACTOR.items()]
            columns += [
                _whole("ProcessId").alias("actor.process.pid"),
                pl.col("TargetFilename").alias("file.path"),
                pl.col("TargetFilename").str.extract(r"([^/]+)$", 1).alias("file.name"),
                pl.col("Hashes").alias("file.hashes"),
            ]
        case _:
            pass
    return part.select(columns)


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64(), strict=False)


def _unescaped(text: pl.Expr) -> pl.Expr:
    """XML's five named entities as what they stand for; `&amp;` last."""
    for entity, plain in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'")):
        text = text.str.replace_all(entity, plain, literal=True)
    return text.str.replace_all("&amp;", "&", literal=True)
