"""AWS CloudTrail: who called which API on what, from where, and whether it was let.

Source: AWS CloudTrail user guide, "CloudTrail record contents". Records come as AWS delivers them
(`{"Records": [...]}`), as arrays or lines, and wrapped by EventBridge, SNS, CloudWatch Logs,
`aws cloudtrail lookup-events`, Splunk or Elasticsearch.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from hauberk.events import EventClass, EventGroup, LogKey, Status, from_iso
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .heads import line_objects, readable_head
from .json_lines import JsonFields, JsonRecords, parse_json_document, parse_json_lines
from .json_paths import JsonPaths, typed

Row = Mapping[str, object]

_LISTS = ("Records", "logEvents", "Events")
_WRAPPERS = (
    "detail", "Message", "_raw", "message", "@message", "CloudTrailEvent", "_source", "result",
)  # fmt: skip
_MAX_WRAPPERS = 4
_MAX_OPERATIONS = 512
_MAX_RESOURCES = 32
_OPERATION = re.compile(r"[A-Za-z][A-Za-z0-9_:.-]{0,127}")
_IN_DOCUMENT = re.compile(
    rb'\\?"eventSource\\?"\s{0,8}:\s{0,8}\\?"[a-z0-9.-]{1,80}\.amazonaws\.com'
)
_IS_ADDRESS = r"^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$"

# Names that CloudTrail writes with capitals inside, for exporters that wrote them without.
_SPELLINGS = {
    name.lower(): name
    for name in (
        "eventName", "eventSource", "eventTime", "eventID", "eventType", "eventVersion",
        "eventCategory", "awsRegion", "sourceIPAddress", "userAgent", "userIdentity", "userName",
        "principalId", "accountId", "accessKeyId", "invokedBy", "sessionContext", "sessionIssuer",
        "mfaAuthenticated", "requestParameters", "responseElements", "additionalEventData",
        "errorCode", "errorMessage", "recipientAccountId", "requestID", "readOnly",
        "managementEvent", "MFAUsed", "ConsoleLogin",
    )
}  # fmt: skip

# Request parameters that name what is acted on, where that is a plain string.
_NAMES_OF_RESOURCES = frozenset(
    {
        "bucketName", "roleName", "userName", "groupName", "policyName", "instanceProfileName",
        "secretId", "keyId", "instanceId", "imageId", "snapshotId", "volumeId", "groupId",
        "functionName", "dBInstanceIdentifier", "dBSnapshotIdentifier", "tableName", "topicArn",
        "queueUrl", "trailName", "name", "detectorId", "vpcId", "hostedZoneId", "documentName",
        "target", "modelId", "repositoryName", "clusterName", "stackName", "accessKeyId",
    }
)  # fmt: skip

_ACTOR = {
    "name": "userIdentity.userName userIdentity.sessionContext.sessionIssuer.userName",
    "uid": "userIdentity.arn userIdentity.principalId userIdentity.invokedBy",
    "domain": "userIdentity.accountId",
}
_API = {
    "actor.user.name": _ACTOR["name"] + " userIdentity.invokedBy",
    "actor.user.uid": _ACTOR["uid"],
    "actor.user.domain": _ACTOR["domain"],
    "actor.user.type": "userIdentity.type",
    "actor.session.uid": "userIdentity.accessKeyId",
    "http_request.user_agent": "userAgent",
    "api.operation": "eventName",
    "api.service.name": "eventSource",
    "api.response.error": "errorCode",
    "status_detail": "errorMessage",
    "cloud.account.uid": "recipientAccountId userIdentity.accountId",
    "cloud.region": "awsRegion",
}
_LOGIN = {
    "user.name": _ACTOR["name"],
    "user.uid": _ACTOR["uid"],
    "user.domain": _ACTOR["domain"],
    "actor.user.type": "userIdentity.type",
    "service.name": "eventSource",
    "status_detail": "errorMessage",
}
_LOGIN_OPERATION = "ConsoleLogin"
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_INTERACTIVE = 2
_READ, _OTHER = 2, 99

# OCSF activities of an API call, by how its name begins; the first that fits.
_ACTIVITIES = (
    (r"^(Get|List|Describe|Head|Lookup|Search|BatchGet|Select|Query|Scan|View)", _READ),
    (r"^(Create|Run|Allocate|Import|Register|Copy|Generate)", 1),
    (r"^(Delete|Terminate|Remove|Deregister|Release|Purge)", 4),
    (
        r"^(Update|Put|Modify|Attach|Detach|Add|Set|Associate|Disassociate|Enable|Disable|Start"
        r"|Stop|Reboot|Tag|Untag|Authorize|Revoke|Change|Reset|Restore|Upload)",
        3,
    ),
)


class CloudTrail:
    """CloudTrail records one a line, bare or wrapped."""

    name = "cloudtrail"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By a service of AWS as the source of a named event."""
        found = line_objects(head)
        return 0.96 if any(_is_record(unwrapped(row)) for row in found) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by operation."""
        found = parse_json_lines(records)
        if any(isinstance(row.get(name), list) for row in found.rows for name in _LISTS):
            found = parse_json_document(records, _LISTS)
        return _parsed(found)


class CloudTrailDocument:
    """CloudTrail records of one document: as AWS delivers them, or gathered by others."""

    name = "cloudtrail-document"
    version = "1"
    framing = Framing.DOCUMENT

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By a service of AWS as the source of an event, anywhere but in one object a line."""
        start = readable_head(head)
        if start[:1] not in {b"{", b"["}:
            return 0.0
        if not _IN_DOCUMENT.search(start) or b"eventName" not in start:
            return 0.0
        found = line_objects(head)
        lists = any(isinstance(row.get(name), list) for row in found for name in _LISTS)
        return 0.94 if lists or not found else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one document, by operation."""
        return _parsed(parse_json_document(records, _LISTS))


def unwrapped(row: Row) -> Row | None:
    """The CloudTrail record that `row` is or carries, under CloudTrail's own spelling; or None."""
    inner: object = row
    for _ in range(_MAX_WRAPPERS):
        if isinstance(inner, str):
            inner = _object_in(inner)
        if isinstance(inner, dict):
            if isinstance(inner.get("eventName"), str):
                return inner
            if isinstance(inner.get("eventname"), str):
                return _respelled(inner)
            inner = next((inner[name] for name in _WRAPPERS if name in inner), None)
    return None


def _object_in(text: str) -> object:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(value, dict):
        for name in _LISTS:
            members = value.get(name)
            if isinstance(members, list) and len(members) == 1:
                return members[0]
    return value


def _respelled(record: Row, depth: int = 0) -> Row:
    if depth >= _MAX_WRAPPERS:
        return record
    return {
        _SPELLINGS.get(name, name): (
            _respelled(value, depth + 1) if isinstance(value, dict) else value
        )
        for name, value in record.items()
    }


def _is_record(record: Row | None) -> bool:
    return record is not None and ".amazonaws.com" in str(record.get("eventSource"))


def _parsed(found: JsonRecords) -> Parsed:
    rejects = list(found.rejects)
    rows: list[Row] = []
    kept: list[int] = []
    for at, row in enumerate(found.rows):
        record = unwrapped(row)
        number = int(found.numbers[at])
        if record is None:
            reason = "no eventName; expected a CloudTrail record or a wrapper around one"
            rejects.append(Reject(int(found.offsets[number]), int(found.lengths[number]), reason))
        else:
            rows.append(record)
            kept.append(number)
    return Parsed(
        _groups(rows, np.array(kept, np.int64)),
        found.offsets,
        found.lengths,
        rejects=rejects,
        raw=found.raw,
        raw_format=None if found.raw is None else CloudTrailDocument.name,
    )


def _groups(rows: Sequence[Row], numbers: npt.NDArray[np.int64]) -> list[ParsedGroup]:
    by_operation: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        operation = str(row["eventName"])
        crowded = operation not in by_operation and len(by_operation) >= _MAX_OPERATIONS
        if crowded or not _OPERATION.fullmatch(operation):
            operation = ""
        by_operation.setdefault(operation, []).append(at)
    logins = by_operation.pop(_LOGIN_OPERATION, [])
    groups = []
    if logins:
        of_logins = [rows[i] for i in logins]
        frame = _authentication(JsonPaths(of_logins))
        groups.append(
            _group(_LOGIN_OPERATION, EventClass.AUTHENTICATION, frame, of_logins, numbers[logins])
        )
    if by_operation:
        # One frame for all operations, cut up afterwards: a trail calls hundreds of them.
        frame = _api_activity(JsonPaths(rows))
        for operation, positions in by_operation.items():
            of_operation = [rows[i] for i in positions]
            events = frame[positions] if len(positions) < len(rows) else frame
            groups.append(
                _group(operation, EventClass.API_ACTIVITY, events, of_operation, numbers[positions])
            )
    return groups


def _group(
    operation: str,
    event_class: EventClass,
    events: pl.DataFrame,
    rows: Sequence[Row],
    numbers: npt.NDArray[np.int64],
) -> ParsedGroup:
    events = events.with_columns(pl.lit(operation).alias("metadata.event_code"))
    key = LogKey("aws", "cloudtrail", operation)
    return ParsedGroup(EventGroup(key, event_class, events, JsonFields(rows)), numbers)


def _shared(paths: JsonPaths) -> pl.DataFrame:
    """Columns that both classes have: when, from where, and on whose account."""
    when = paths.column("eventTime @timestamp", pl.String())
    if when is None:
        when = typed([None] * len(paths), pl.String())
    source = typed(paths.values("sourceIPAddress"), pl.String())
    address = source.str.contains(_IS_ADDRESS).fill_null(value=False)
    return pl.DataFrame(
        [
            from_iso(when).alias("time"),
            source.set(~address, None).alias("src_endpoint.ip"),
            source.set(address, None).alias("src_endpoint.hostname"),
        ]
    ).with_columns(
        pl.lit("aws").alias("metadata.product.name"),
        pl.lit("cloudtrail").alias("metadata.log_name"),
    )


def _with_root(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The root user has no name of its own."""
    if "actor.user.type" not in frame.columns:
        return frame
    root = pl.when(pl.col("actor.user.type") == "Root").then(pl.lit("root"))
    given = pl.col(name) if name in frame.columns else pl.lit(None, pl.String())
    return frame.with_columns(pl.coalesce(given, root).alias(name))


def _api_activity(paths: JsonPaths) -> pl.DataFrame:
    frame = _shared(paths).hstack(paths.frame(_API, EventClass.API_ACTIVITY))
    frame = _with_root(frame, "actor.user.name")
    error = typed(paths.values("errorCode"), pl.String())
    read_only = typed(paths.values("readOnly"), pl.Boolean()).fill_null(value=False)
    activity = pl.lit(_OTHER)
    for pattern, activity_id in reversed(_ACTIVITIES):
        fits = pl.col("api.operation").str.contains(pattern)
        activity = pl.when(fits).then(activity_id).otherwise(activity)
    activity = pl.when(read_only).then(_READ).otherwise(activity)
    failed = error.is_not_null() & (error != "")
    return frame.with_columns(
        activity.cast(pl.Int32).alias("activity_id"),
        pl.when(failed)
        .then(int(Status.FAILURE))
        .otherwise(int(Status.SUCCESS))
        .cast(pl.Int32)
        .alias("status_id"),
        pl.lit("AWS").alias("cloud.provider"),
        typed(
            [
                _resources(listed, asked)
                for listed, asked in zip(
                    paths.values("resources"), paths.values("requestParameters"), strict=True
                )
            ],
            pl.List(pl.String()),
        ).alias("resources"),
    )


def _resources(listed: object, asked: object) -> list[str] | None:
    """ARNs of the record's own list, then what its request names plainly."""
    found: list[str] = []
    if isinstance(listed, list):
        for member in listed[:_MAX_RESOURCES]:
            arn = (member.get("ARN") or member.get("arn")) if isinstance(member, dict) else None
            if isinstance(arn, str):
                found.append(arn)
    if isinstance(asked, dict):
        for name, value in asked.items():
            if isinstance(value, str) and (name in _NAMES_OF_RESOURCES or value.startswith("arn:")):
                found.append(value)
    return list(dict.fromkeys(found))[:_MAX_RESOURCES] or None


def _authentication(paths: JsonPaths) -> pl.DataFrame:
    frame = _shared(paths).hstack(paths.frame(_LOGIN, EventClass.AUTHENTICATION))
    frame = _with_root(frame, "user.name")
    if "user.name" in frame.columns:
        # Written where a password may have been typed for a name.
        frame = frame.with_columns(pl.col("user.name").replace(_HIDDEN, None))
    said = typed(paths.values("responseElements.ConsoleLogin"), pl.String())
    factor = typed(paths.values("additionalEventData.MFAUsed"), pl.String())
    return frame.with_columns(
        pl.lit(1, pl.Int32()).alias("activity_id"),
        pl.lit(_INTERACTIVE, pl.Int32()).alias("logon_type_id"),
        said.replace_strict(
            {"Success": int(Status.SUCCESS), "Failure": int(Status.FAILURE)},
            default=int(Status.UNKNOWN),
            return_dtype=pl.Int32(),
        ).alias("status_id"),
        (factor == "Yes").alias("is_mfa"),
    )
