"""OTLP export requests (logs) as lines, one log record each, as the format `otlp` reads them.

Source: the OpenTelemetry protocol 1.x and its JSON mapping, in which ids are hexadecimal.
"""

import base64
from collections.abc import Iterator
from typing import Any

import orjson

from hauberk.errors import HauberkError

JSON, PROTOBUF = "application/json", "application/x-protobuf"

_IDS = ("traceId", "spanId")


def lines_of(body: bytes, content_type: str) -> list[bytes]:
    """Every log record of a request with its resource and scope. ValueError where it is none."""
    request = _from_protobuf(body) if content_type == PROTOBUF else orjson.loads(body)
    if not isinstance(request, dict):
        raise ValueError("expected an ExportLogsServiceRequest")
    return [orjson.dumps(one) for one in _records(request)]


def said(message: str, content_type: str) -> bytes:
    """A google.rpc.Status that tells why, in the encoding that was asked in."""
    if content_type != PROTOBUF:
        return orjson.dumps({"code": 3, "message": message})
    text = message.encode()[:127]
    return b"\x08\x03\x12" + bytes([len(text)]) + text


def nothing_rejected(content_type: str) -> bytes:
    """An ExportLogsServiceResponse without a partial success."""
    return b"" if content_type == PROTOBUF else b"{}"


def _records(request: dict[str, Any]) -> Iterator[dict[str, object]]:
    for by_resource in _objects(request, "resourceLogs"):
        resource = by_resource.get("resource", {})
        for by_scope in _objects(by_resource, "scopeLogs"):
            for record in _objects(by_scope, "logRecords"):
                inside = {"scope": by_scope.get("scope", {}), "logRecords": [record]}
                yield {"resourceLogs": [{"resource": resource, "scopeLogs": [inside]}]}


def _objects(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = parent.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{key}: expected a list of objects")
    return found


def _from_protobuf(body: bytes) -> dict[str, Any]:
    try:
        # An extra, and without types of its own.
        from google.protobuf.json_format import (  # type: ignore[import-untyped]  # noqa: PLC0415
            MessageToDict,
        )
        from google.protobuf.message import (  # type: ignore[import-untyped]  # noqa: PLC0415
            DecodeError,
        )
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
            ExportLogsServiceRequest,
        )
    except ImportError as error:
        raise HauberkError(
            "OTLP in protobuf needs the extra receive", hint="pip install 'hauberk[receive]'"
        ) from error
    try:
        request = ExportLogsServiceRequest.FromString(body)
        found: dict[str, Any] = MessageToDict(request)
    except (DecodeError, RecursionError) as error:
        raise ValueError(f"no ExportLogsServiceRequest: {error}") from error
    for by_resource in found.get("resourceLogs", []):
        for by_scope in by_resource.get("scopeLogs", []):
            for record in by_scope.get("logRecords", []):
                for name in _IDS:
                    if name in record:
                        record[name] = base64.b64decode(record[name]).hex()
    return found
