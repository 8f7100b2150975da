"""OCSF findings of other products."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest import Format
from hauberk.ingest.formats.ocsf import Ocsf, OcsfDocument

from .accounting import mangled, parsed_whole

NEW: dict[str, object] = {
    "class_uid": 2004, "time": 1700000000123, "severity_id": 4, "activity_id": 1,
    "metadata": {"version": "1.8.0", "product": {"name": "EDR", "vendor_name": "V"}},
    "finding_info": {
        "uid": "f-1", "title": "Credential theft", "analytic": {"uid": "r-9", "name": "Dump"},
        "types": ["TTP"],
        "attacks": [{"technique": {"uid": "T1003"}, "sub_technique": {"uid": "T1003.001"}}],
    },
    "device": {"hostname": "pc7", "ip": "10.0.0.7"}, "count": 3,
    "evidences": [{"src_endpoint": {"ip": "192.0.2.3"}, "actor": {"user": {"name": "eve"}}}],
}  # fmt: skip
OLD: dict[str, object] = {
    "class_uid": 2001, "time": 1700000001000, "severity_id": 3,
    "metadata": {"product": {"vendor_name": "Cloud"}},
    "finding": {"uid": "f-2", "title": "Open bucket"}, "analytic": {"name": "bucket-open"},
    "attacks": [{"technique": {"uid": "T1530"}}], "resources": [{"uid": "arn:x"}],
}  # fmt: skip
OTHER = {"class_uid": 3002, "time": 1700000002000}


def lines(*findings: object) -> bytes:
    return b"".join(json.dumps(f).encode() + b"\n" for f in findings)


def check(form: Format, data: bytes) -> None:
    assert form.sniff(data, None) >= 0.9
    parsed = parsed_whole(form, data)
    assert (parsed.events, len(parsed.rejects)) == (2, 1)
    (part,) = parsed.groups
    assert part.group.event_class is EventClass.DETECTION_FINDING
    new, old = part.group.events.iter_rows(named=True)
    assert new["time"] == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert new["metadata.product.name"] == "EDR"
    assert new["finding_info.title"] == "Credential theft"
    assert new["finding_info.analytic.uid"] == "r-9"
    assert new["finding_info.attacks"] == ["T1003.001", "T1003"]
    assert new["finding_info.count"] == 3
    assert (new["device.hostname"], new["actor.user.name"]) == ("pc7", "eve")
    assert new["src_endpoint.ip"] == "192.0.2.3"
    assert old["metadata.product.name"] == "Cloud"
    assert old["finding_info.title"] == "Open bucket"
    assert old["finding_info.analytic.uid"] == "bucket-open"
    assert old["finding_info.attacks"] == ["T1530"]
    assert old["device.hostname"] == "arn:x"


def test_findings_in_lines_whatever_the_version() -> None:
    check(Ocsf(), lines(NEW, OLD, OTHER))
    assert OcsfDocument().sniff(lines(NEW, OLD), None) == 0.0


def test_findings_in_one_document() -> None:
    data = json.dumps([NEW, OLD, OTHER], indent=2).encode()
    check(OcsfDocument(), data)
    assert Ocsf().sniff(data, None) == 0.0


def test_other_json_is_no_finding() -> None:
    for data in (b"", b"{}", b"[]", lines(OTHER), b'{"class_uid": 2004}'):
        assert Ocsf().sniff(data, None) == OcsfDocument().sniff(data, None) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    odd = [{**NEW, "finding_info": [{"attacks": [[["T1"]]]}]}, {**NEW, "evidences": "x"}]
    parsed_whole(Ocsf(), mangled(lines(NEW, OLD, OTHER, *odd), seed))
    parsed_whole(OcsfDocument(), mangled(json.dumps([NEW, OLD, *odd]).encode(), seed))
