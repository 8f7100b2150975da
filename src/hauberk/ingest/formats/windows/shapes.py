"""The shapes in which Windows events are met as JSON, made flat.

A flat row has the names of Sigma's taxonomy: event data as it is, beside EventID, Channel,
Computer, Provider_Name and the other names of the System part.
"""

from collections.abc import Mapping

Row = dict[str, object]

_ATTRIBUTES = "#attributes"
_MARKUP = frozenset({_ATTRIBUTES, "@xmlns", "xmlns", "@Name", "Name#"})
_SYSTEM = ("Version", "Level", "Task", "Opcode", "Keywords", "EventRecordID")
_BEAT_SYSTEM = {
    "version": "Version", "task": "Task", "opcode": "Opcode", "keywords": "Keywords",
    "record_id": "EventRecordID", "provider_guid": "Provider_Guid", "activity_id": "ActivityID",
}  # fmt: skip
_OLD_BEAT = ("event_data", "user_data")
_ENTITY = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#13;": "\r", "&#10;": "\n"}


def flat_row(record: Row) -> Row:
    """The record itself where it is flat already, else its fields without their nesting."""
    inner = record.get("_source")
    if type(inner) is dict:
        record = inner
    event = record.get("Event")
    if type(event) is dict:
        return _xml_row(event, record)
    if type(record.get("System")) is dict:
        return _xml_row(record, record)
    if type(record.get("winlog")) is dict:
        return _beat_row(record, record["winlog"])
    if type(record.get("event_data")) is dict or "computer_name" in record:
        return _beat_row(record, record)
    if "winlog.event_id" in record or "winlog.channel" in record:
        return _beat_row(record, _undotted(record, "winlog."))
    return record


def looks_like_windows(record: Row) -> float:
    """How surely an object is a Windows event, 0 to 1."""
    row = flat_row(record)
    named = any(row.get(n) is not None for n in ("EventID", "event_id", "EventId", "Id"))
    if not named:
        return 0.0
    if row is not record and "Channel" in row:
        return 0.97
    if any(n in row for n in ("Channel", "log_name", "LogName")):
        return 0.95
    if any(n in row for n in ("ProviderGuid", "SourceName", "Provider_Name", "ProviderName")):
        return 0.8
    if "EventID" in row and ("Computer" in row or "Hostname" in row):
        return 0.6
    return 0.0


def _attribute(node: object, name: str) -> object:
    """An XML attribute in any of its JSON spellings; a bare text is its own only attribute."""
    if type(node) is dict:
        attributes = node.get(_ATTRIBUTES)
        if type(attributes) is dict and name in attributes:
            return attributes[name]
        return node.get("@" + name, node.get(name))
    return node if name in {"Name", "SystemTime"} else None


def _text(node: object) -> object:
    """The text of an XML element in any of its JSON spellings."""
    if type(node) is dict:
        for key in ("#text", "Value"):
            if key in node:
                return node[key]
        if node.keys() <= _MARKUP:
            return None
    return node


def _xml_row(event: Mapping[str, object], record: Row) -> Row:
    """Windows' own XML, as evtx_dump and others turn it into JSON."""
    system = event.get("System")
    if type(system) is not dict:
        return dict(record)
    row: Row = {}
    for name in _SYSTEM:
        row[name] = _text(system.get(name))
    for part, attribute, name in (
        ("Execution", "ProcessID", "Execution_ProcessID"),
        ("Execution", "ThreadID", "Execution_ThreadID"),
        ("Security", "UserID", "Security_UserID"),
        ("Correlation", "ActivityID", "ActivityID"),
        ("Provider", "Guid", "Provider_Guid"),
    ):
        value = _part(system, part, attribute)
        if value is not None:
            row[name] = value
    if "Message" in record:
        row["Message"] = record["Message"]
    _add_data(row, event.get("EventData"))
    user_data = event.get("UserData")
    if type(user_data) is dict:
        for key, payload in user_data.items():
            if key not in _MARKUP:
                _add_data(row, payload)
    # What tells the event apart is the System part's to say, whatever the payload calls itself.
    row["EventID"] = _text(system.get("EventID"))
    row["Channel"] = _text(system.get("Channel"))
    row["Computer"] = _text(system.get("Computer"))
    row["Provider_Name"] = _part(system, "Provider", "Name")
    row["TimeCreated"] = _part(system, "TimeCreated", "SystemTime")
    return row


def _part(system: Row, part: str, attribute: str) -> object:
    value = _attribute(system.get(part), attribute)
    return value if value is not None else _attribute(system.get(f"{part}_attributes"), attribute)


def _add_data(row: Row, data: object) -> None:
    """Add the fields of an <EventData> or of a payload in <UserData>."""
    if type(data) is list:
        for each in data:
            _add_data(row, each)
        return
    if type(data) is not dict:
        if data not in (None, ""):
            row["Data"] = data
        return
    for key, value in data.items():
        if key == "Data":
            _add_unnamed(row, value)
        elif key not in _MARKUP:
            row[key] = _text(value)


def _add_unnamed(row: Row, data: object) -> None:
    """Add <Data> elements: under their Name attribute, or all others as `Data`."""
    unnamed: list[object] = []
    for each in data if type(data) is list else [data]:
        name = _attribute(each, "Name") if type(each) is dict else None
        value = _text(each)
        if type(name) is str and name:
            row[name] = _unescaped(value) if type(value) is str and "&" in value else value
        elif type(value) is list:
            unnamed.extend(value)
        elif type(value) is str and "&" in value:
            unnamed.append(_unescaped(value))
        elif value is not None:
            unnamed.append(value)
    if unnamed:
        row["Data"] = unnamed[0] if len(unnamed) == 1 else unnamed


def _unescaped(text: str) -> str:
    """Text that a converter copied out of XML without reading its entities."""
    for entity, character in _ENTITY.items():
        text = text.replace(entity, character)
    return text.replace("&amp;", "&")


def _beat_row(record: Row, winlog: object) -> Row:
    """Winlogbeat's shape: its own names, or those of ECS where it has them."""
    if type(winlog) is not dict:
        return record
    row: Row = {}
    for key, name in _BEAT_SYSTEM.items():
        if key in winlog:
            row[name] = winlog[key]
    if "message" in record:
        row["Message"] = record["message"]
    for part in _OLD_BEAT:
        _add_data(row, winlog.get(part))
    params = [row[f"param{n}"] for n in range(1, 4) if f"param{n}" in row]
    if params and "Data" not in row:
        row["Data"] = params if len(params) > 1 else params[0]
    process = winlog.get("process")
    if type(process) is dict and "pid" in process:
        row["Execution_ProcessID"] = process["pid"]
    user = winlog.get("user")
    if type(user) is dict and "identifier" in user:
        row["Security_UserID"] = user["identifier"]
    row["EventID"] = _first(winlog.get("event_id"), _path(record, "event", "code"))
    row["Channel"] = _first(winlog.get("channel"), winlog.get("log_name"))
    row["Computer"] = _first(winlog.get("computer_name"), _path(record, "host", "name"))
    row["Provider_Name"] = _first(winlog.get("provider_name"), winlog.get("source_name"),
                                  _path(record, "event", "provider"))  # fmt: skip
    row["TimeCreated"] = _first(record.get("@timestamp"), _path(record, "event", "created"))
    return row


def _first(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _path(record: Row, *keys: str) -> object:
    dotted = record.get(".".join(keys))
    if dotted is not None:
        return dotted
    value: object = record
    for key in keys:
        value = value.get(key) if type(value) is dict else None
    return value


def _undotted(record: Row, prefix: str) -> Row:
    """The keys under a dotted prefix, with event data and user data as objects of their own."""
    found: Row = {}
    for key, value in record.items():
        if not key.startswith(prefix):
            continue
        part, _, name = key[len(prefix) :].partition(".")
        if name and part in _OLD_BEAT:
            inner = found.setdefault(part, {})
            if type(inner) is dict:
                inner[name] = value
        else:
            found[key[len(prefix) :]] = value
    return found
