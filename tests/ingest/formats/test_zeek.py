from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, conform
from hauberk.ingest.formats.zeek import Zeek
from hauberk.ingest.interface import Parsed, ParsedGroup, RecordBatch

from .accounts import check_accounts, only

ZEEK = Zeek()

CONN_FIELDS = [
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration",
    "orig_bytes", "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history",
    "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes", "tunnel_parents",
]  # fmt: skip
CONN_TYPES = [
    "time", "string", "addr", "port", "addr", "port", "enum", "string", "interval", "count",
    "count", "string", "bool", "bool", "count", "string", "count", "count", "count", "count",
    "set[string]",
]  # fmt: skip
CONN = [
    "1700000000.250000", "CaaaaaaaaaaaaaaA1", "192.0.2.10", "50123", "198.51.100.7", "443", "tcp",
    "ssl", "1.5", "320", "4096", "SF", "T", "F", "0", "ShADadFf", "6", "572", "8", "4424",
    "(empty)",
]  # fmt: skip


def header(path: str, fields: list[str], types: list[str] | None = None) -> str:
    lines = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-",
        f"#path\t{path}", "\t".join(["#fields", *fields]),
    ]  # fmt: skip
    if types:
        lines.append("\t".join(["#types", *types]))
    return "\n".join(lines) + "\n"


def tsv(path: str, fields: list[str], *rows: list[str], types: list[str] | None = None) -> bytes:
    body = "".join("\t".join(row) + "\n" for row in rows)
    return (header(path, fields, types) + body + "#close\t2024-01-01-00-00-00\n").encode()


def parse(data: bytes, head: bytes = b"", offset: int = 0) -> Parsed:
    parsed = ZEEK.parse(RecordBatch(data, "test", offset, head))
    check_accounts(parsed)
    return parsed


def first_row(part: ParsedGroup) -> dict[str, object]:
    return conform(part.group.events, part.group.event_class).row(0, named=True)


def fields_without_nulls(part: ParsedGroup, index: int = 0) -> dict[str, object]:
    return {k: v for k, v in part.group.fields.row(index).items() if v is not None}


def test_a_connection_becomes_network_activity_from_originator_to_responder() -> None:
    part = only(parse(tsv("conn", CONN_FIELDS, CONN, types=CONN_TYPES)))
    assert part.group.event_class is EventClass.NETWORK_ACTIVITY
    assert (part.group.key.product, part.group.key.service) == ("zeek", "conn")
    row = first_row(part)
    assert row["src_endpoint.ip"] == "192.0.2.10"
    assert row["dst_endpoint.port"] == 443
    assert row["traffic.bytes_out"] == 320
    assert row["traffic.bytes_in"] == 4096
    assert row["duration"] == 1.5
    assert row["status_id"] == 1
    assert row["device.hostname"] is None
    assert str(row["time"]) == "2023-11-14 22:13:20.250000+00:00"


def test_values_are_typed_alike_in_both_spellings() -> None:
    written = only(parse(tsv("conn", CONN_FIELDS, CONN, types=CONN_TYPES)))
    record = {
        "ts": 1700000000.25, "uid": CONN[1], "id.orig_h": CONN[2], "id.orig_p": 50123,
        "id.resp_h": CONN[4], "id.resp_p": 443, "proto": "tcp", "service": "ssl", "duration": 1.5,
        "orig_bytes": 320, "resp_bytes": 4096, "conn_state": "SF", "local_orig": True,
        "local_resp": False, "missed_bytes": 0, "history": "ShADadFf", "orig_pkts": 6,
        "orig_ip_bytes": 572, "resp_pkts": 8, "resp_ip_bytes": 4424, "tunnel_parents": [],
    }  # fmt: skip
    spoken = only(parse(orjson.dumps(record) + b"\n"))
    assert fields_without_nulls(written) == fields_without_nulls(spoken) == record
    assert first_row(written) == first_row(spoken)


def test_an_unset_field_is_absent_and_an_empty_one_is_not() -> None:
    row = ["1700000000.0", "-", "(empty)", "GET", "a,b"]
    fields = ["ts", "host", "user_agent", "method", "tags"]
    types = ["time", "string", "string", "string", "set[string]"]
    part = only(parse(tsv("http", fields, row, types=types)))
    assert part.group.fields.has("host") == [False]
    assert part.group.fields.column("host") is None
    assert part.group.fields.column("user_agent") == [""]
    assert part.group.fields.column("tags") == [["a", "b"]]


def test_escapes_are_undone_after_the_values_are_cut() -> None:
    row = ["1700000000.0", "one\\x09two\\\\three \\xc3\\xa9", "a\\x2cb,c"]
    part = only(
        parse(tsv("http", ["ts", "uri", "tags"], row, types=["time", "string", "set[string]"]))
    )
    assert part.group.fields.column("uri") == ["one\ttwo\\three é"]
    assert part.group.fields.column("tags") == [["a,b", "c"]]


def test_a_line_with_another_number_of_values_is_rejected_and_shifts_no_other() -> None:
    data = tsv("conn", CONN_FIELDS, CONN, CONN[:9], [*CONN, "more"], CONN)
    parsed = parse(data)
    assert parsed.records == 4
    assert len(parsed.rejects) == 2
    assert parsed.groups[0].records.tolist() == [0, 3]
    reject = parsed.rejects[0]
    assert data[reject.offset : reject.offset + reject.length].decode() == "\t".join(CONN[:9])
    assert "9 values" in reject.reason
    assert "21" in reject.reason


def test_a_later_chunk_takes_its_header_from_the_start_of_the_file() -> None:
    head = header("conn", CONN_FIELDS, CONN_TYPES).encode()
    body = ("\t".join(CONN) + "\n").encode()
    part = only(parse(body, head=head + body, offset=len(head + body)))
    assert first_row(part)["dst_endpoint.ip"] == "198.51.100.7"


def test_a_second_header_in_the_file_is_obeyed_from_there_on() -> None:
    data = tsv("conn", CONN_FIELDS, CONN) + tsv("weird", ["ts", "name"], ["1700000001.0", "odd"])
    parsed = parse(data)
    assert [part.group.key.service for part in parsed.groups] == ["conn", "weird"]
    assert parsed.groups[1].group.event_class is EventClass.BASE_EVENT


def test_columns_of_ground_truth_reach_neither_view() -> None:
    data = tsv(
        "conn", [*CONN_FIELDS, "label", "detailedlabel"], [*CONN, "Malicious", "Botnet-Traffic"]
    )
    part = only(parse(data))
    assert not any("label" in name for name in part.group.fields.names())
    assert "Botnet" not in str(part.group.fields.row(0)) + str(first_row(part))
    spoken = parse(orjson.dumps({"ts": 1.0, "conn_state": "SF", "label": "Malicious"}))
    assert "Malicious" not in str(only(spoken).group.fields.row(0))


def test_labels_joined_to_the_last_column_by_spaces_are_cut_off() -> None:
    fields = [*CONN_FIELDS[:-1], "tunnel_parents   label   detailed-label"]
    types = [*CONN_TYPES[:-1], "set[string]   string   string"]
    rows = [[*CONN[:-1], "-   Malicious   C&C"], [*CONN[:-1], "(empty)   Benign   -"]]
    part = only(parse(tsv("conn", fields, *rows, types=types)))
    assert "Malicious" not in str(part.group.fields.row(0)) + str(first_row(part))
    assert part.group.fields.has("tunnel_parents") == [False, True]


def test_a_file_without_a_header_is_read_where_its_shape_leaves_no_doubt() -> None:
    line = ("\t".join(CONN) + "\n").encode()
    assert ZEEK.sniff(line, None) > 0.5
    assert only(parse(line)).group.key.service == "conn"
    assert ZEEK.sniff(b"1\t2\t3\n", None) == 0
    assert len(parse(b"1\t2\t3\n").rejects) == 1


@pytest.mark.parametrize(
    ("record", "log", "event_class", "expected"),
    [
        (
            {"ts": 1.0, "AA": False, "RD": True, "RA": True, "query": "www.example.org",
             "qtype_name": "A", "rcode_name": "NOERROR", "answers": ["192.0.2.1"]},
            "dns", EventClass.DNS_ACTIVITY,
            {"query.hostname": "www.example.org", "answers": ["192.0.2.1"], "rcode": "NOERROR"},
        ),
        (
            {"ts": 1.0, "method": "POST", "host": "example.org", "uri": "/a?b", "status_code": 404,
             "user_agent": "curl/8", "resp_mime_types": ["text/html"]},
            "http", EventClass.HTTP_ACTIVITY,
            {"activity_id": 6, "http_request.url.path": "/a?b", "http_response.code": 404,
             "file.mime_type": "text/html"},
        ),
        (
            {"ts": 1.0, "established": True, "resumed": False, "server_name": "example.org",
             "cipher": "X"},
            "ssl", EventClass.NETWORK_ACTIVITY,
            {"tls.sni": "example.org", "status_id": 1, "connection_info.protocol_name": "tcp"},
        ),
        (
            {"ts": 1.0, "certificate.serial": "0A", "certificate.subject": "CN=example.org"},
            "x509", EventClass.BASE_EVENT, {"message": "CN=example.org"},
        ),
        (
            {"ts": 1.0, "fuid": "F1", "source": "HTTP", "seen_bytes": 9, "rx_hosts": ["192.0.2.1"],
             "filename": "/tmp/a.exe", "md5": "aa", "sha256": "bb"},
            "files", EventClass.FILE_ACTIVITY,
            {"device.ip": "192.0.2.1", "file.name": "a.exe", "file.hashes": "MD5=aa,SHA256=bb",
             "file.size": 9},
        ),
        (
            {"ts": 1.0, "auth_attempts": 2, "auth_success": False, "client": "SSH-2.0-x"},
            "ssh", EventClass.SSH_ACTIVITY,
            {"status_id": 2, "http_request.user_agent": "SSH-2.0-x"},
        ),
        (
            {"ts": 1.0, "request_type": "TGS", "client": "ann/EXAMPLE.ORG", "success": True,
             "service": "cifs/files"},
            "kerberos", EventClass.AUTHENTICATION,
            {"activity_id": 4, "user.name": "ann", "user.domain": "EXAMPLE.ORG",
             "service.name": "cifs/files", "status_id": 1},
        ),
        (
            {"ts": 1.0, "username": "ann", "domainname": "EX", "hostname": "PC1", "success": False},
            "ntlm", EventClass.AUTHENTICATION,
            {"user.name": "ann", "src_endpoint.hostname": "PC1", "status_id": 2,
             "auth_protocol": "NTLM"},
        ),
        (
            {"ts": 1.0, "action": "SMB::FILE_OPEN", "path": "\\\\srv\\share", "name": "a\\b.txt",
             "size": 3, "times.modified": 1.0},
            "smb_files", EventClass.SMB_ACTIVITY,
            {"activity_id": 2, "share": "\\\\srv\\share", "file.path": "\\\\srv\\share\\a\\b.txt",
             "file.name": "b.txt"},
        ),
        (
            {"ts": 1.0, "share_type": "PIPE", "path": "\\\\srv\\IPC$"},
            "smb_mapping", EventClass.SMB_ACTIVITY, {"share": "\\\\srv\\IPC$"},
        ),
        (
            {"ts": 1.0, "endpoint": "svcctl", "operation": "CreateServiceW", "named_pipe": "445"},
            "dce_rpc", EventClass.SMB_ACTIVITY,
            {"dce_rpc.interface": "svcctl", "dce_rpc.operation": "CreateServiceW"},
        ),
        (
            {"ts": 1.0, "security_protocol": "HYBRID", "cookie": "EX\\ann", "client_name": "PC1"},
            "rdp", EventClass.RDP_ACTIVITY,
            {"actor.user.name": "ann", "src_endpoint.hostname": "PC1"},
        ),
        (
            {"ts": 1.0, "trans_depth": 1, "helo": "mx", "mailfrom": "a@example.org",
             "rcptto": ["b@example.net"], "subject": "hi"},
            "smtp", EventClass.EMAIL_ACTIVITY,
            {"email.from": "a@example.org", "email.to": ["b@example.net"], "email.subject": "hi"},
        ),
        (
            {"ts": 1.0, "note": "Scan::Port_Scan", "msg": "scanned", "src": "192.0.2.1"},
            "notice", EventClass.DETECTION_FINDING,
            {"finding_info.title": "Scan::Port_Scan", "src_endpoint.ip": "192.0.2.1",
             "message": "scanned"},
        ),
        ({"ts": 1.0, "anything": "else"}, "unknown", EventClass.BASE_EVENT, {}),
    ],
)  # fmt: skip
def test_each_log_is_known_by_its_fields_and_mapped(
    record: dict[str, object], log: str, event_class: EventClass, expected: dict[str, object]
) -> None:
    part = only(parse(orjson.dumps(record)))
    assert part.group.key.service == log
    assert part.group.event_class is event_class
    row = first_row(part)
    assert {name: row[name] for name in expected} == expected


def test_a_lease_keeps_who_asked_for_which_address() -> None:
    data = orjson.dumps(
        {
            "ts": 1.5, "uids": ["C1", "C2"], "client_addr": "192.0.2.9", "mac": "00:00:5e:00:53:01",
            "server_addr": "192.0.2.1", "requested_addr": "192.0.2.77", "msg_types": ["REQUEST"],
        }
    )  # fmt: skip
    part = only(parse(data + b"\n"))
    assert part.group.event_class is EventClass.DHCP_ACTIVITY
    row = first_row(part)
    assert row["src_endpoint.mac"] == "00:00:5e:00:53:01"
    assert row["lease.requested"] == "192.0.2.77"
    assert row["connection_info.uid"] == "C1"


@pytest.mark.parametrize(
    "written", [1700000000.25, 1700000000250, "2023-11-14T22:13:20.250000Z", "1700000000.25"]
)
def test_times_are_read_however_json_has_them(written: object) -> None:
    part = only(parse(orjson.dumps({"ts": written, "conn_state": "SF"})))
    assert str(part.group.events["time"][0]) == "2023-11-14 22:13:20.250000+00:00"


def test_a_log_name_that_is_no_name_does_not_become_one() -> None:
    record = {"_path": "../../etc; DROP", "ts": 1.0}
    assert only(parse(orjson.dumps(record))).group.key.service == "unknown"


def test_values_of_the_wrong_type_leave_the_event_without_them() -> None:
    record = {"ts": {"a": 1}, "conn_state": 7, "id.orig_h": [1], "id.orig_p": 10**18, "proto": None}
    good = {"ts": 5.0, "conn_state": "SF", "id.orig_h": "192.0.2.1", "id.orig_p": 1, "proto": "udp"}
    part = only(parse(orjson.dumps(record) + b"\n" + orjson.dumps(good)))
    assert part.group.events["src_endpoint.ip"].to_list()[1] == "192.0.2.1"
    assert part.group.events["time"].to_list()[0] is None


def test_a_chunk_of_headers_alone_is_bounded() -> None:
    data = b"".join(b"#fields\tts\tf%d\n1.0\tx\n" % i for i in range(3000))
    parsed = parse(data)
    assert len(parsed.groups) <= 64
    assert parsed.records == 3000


@pytest.mark.parametrize("text", [tsv("conn", CONN_FIELDS, CONN), b'{"ts":1.0,"conn_state":"SF"}'])
def test_files_that_a_windows_shell_wrote_in_utf_16_are_read(text: bytes) -> None:
    data = b"\xff\xfe" + text.decode().encode("utf-16-le")
    assert ZEEK.sniff(data, None) > 0.5
    assert only(parse(data)).group.key.service == "conn"


def test_json_is_json_behind_blank_lines_and_the_end_of_a_lost_record() -> None:
    good = b'{"ts":1.0,"conn_state":"SF","uid":"C1","id.orig_h":"192.0.2.1"}\n'
    assert only(parse(b"\n" * 5000 + good)).group.key.service == "conn"
    torn = b'_p":80,"proto":"tcp"}\n' + good
    assert ZEEK.sniff(torn, None) > 0.9
    assert (parse(torn).events, len(parse(torn).rejects)) == (1, 1)


def test_sniffing_leaves_other_json_alone() -> None:
    for other in (
        b'{"timestamp":"2024-01-01T00:00:00Z","event_type":"flow","src_ip":"192.0.2.1"}',
        b'{"EventID":1,"Channel":"Security"}',
        b'{"ts":1.0}',
        b"[]",
        b"",
    ):
        assert ZEEK.sniff(other, None) == 0


def test_real_captures_are_accounted_for_line_by_line(
    shared_data: Callable[[str], Path],
) -> None:
    seen = 0
    for name in ("zeek-stratosphere", "zeek-iot23", "slips-testdata"):
        for path in sorted(shared_data(name).rglob("*")):
            if path.suffix not in {".log", ".labeled"} or not path.is_file():
                continue
            data = path.read_bytes()
            parsed = parse(data, head=data[:65536])
            lines = [line for line in data.split(b"\n") if line.strip()]
            records = [line for line in lines if not line.lstrip().startswith(b"#")]
            assert parsed.records == len(records), path.name
            assert len(parsed.rejects) <= 1, path.name
            seen += parsed.events
            for part in parsed.groups:
                names = " ".join(part.group.fields.names())
                assert "label" not in names
                assert "detailed" not in names
    assert seen > 40_000


def test_ground_truth_of_real_captures_is_in_no_view(shared_data: Callable[[str], Path]) -> None:
    for name in ("zeek-stratosphere", "zeek-iot23", "slips-testdata"):
        for path in sorted(shared_data(name).rglob("*.labeled")):
            data = path.read_bytes()
            for part in parse(data, head=data[:65536]).groups:
                for column in part.group.fields.names():
                    values = set(map(str, part.group.fields.column(column) or ()))
                    assert values.isdisjoint({"Malicious", "Benign", "Background"}), path.name
                    assert not any("From_malicious" in value for value in values)
                for series in part.group.events:
                    values = set(map(str, series.unique().to_list()))
                    assert values.isdisjoint({"Malicious", "Benign", "Background"}), path.name


SAMPLE = tsv("conn", CONN_FIELDS, *[CONN] * 4, types=CONN_TYPES)
JSON_SAMPLE = b"".join(
    orjson.dumps({"ts": 1.0 + i, "uid": "C1", "id.orig_h": "192.0.2.1", "conn_state": "SF"}) + b"\n"
    for i in range(4)
)


@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from([SAMPLE, JSON_SAMPLE]),
    edits=st.lists(
        st.tuples(st.integers(0, 1200), st.binary(max_size=6), st.integers(0, 9)), max_size=5
    ),
)
def test_mangled_input_is_accounted_for_and_never_raises(
    sample: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    data = bytearray(sample)
    for at, text, cut in edits:
        data[at : at + cut] = text
    parsed = parse(bytes(data))
    for part in parsed.groups:
        for name in part.group.fields.names():
            assert len(part.group.fields.column(name) or ()) == len(part.group.fields)
        if len(part.group.fields):
            part.group.fields.row(0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
def test_good_lines_survive_beside_bad_ones(bad: list[bytes]) -> None:
    bad = [line for line in bad if line.strip() and not line.lstrip().startswith(b"#")]
    bad = [line for line in bad if line.count(b"\t") != len(CONN_FIELDS) - 1]
    good = "\t".join(CONN).encode()
    lines = [good]
    for line in bad:
        lines += [line, good]
    data = header("conn", CONN_FIELDS, CONN_TYPES).encode() + b"\n".join(lines)
    parsed = parse(data)
    assert parsed.events == len(bad) + 1
    assert np.array_equal(parsed.groups[0].records, np.arange(0, len(lines), 2))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 1000))
def test_any_bytes_are_accounted_for(data: bytes, offset: int) -> None:
    parse(data, head=SAMPLE, offset=offset)
    assert 0 <= ZEEK.sniff(data, None) <= 1


ZEEK_TYPES = st.sampled_from(
    ["time", "string", "count", "bool", "set[string]", "vector[interval]", "addr", "", "\\x"]
)
ZEEK_FIELDS = st.sampled_from(
    ["ts", "uid", "id.orig_h", "answers", "query", "proto", "conn_state", "success", "label", "x",
     "host", "duration", "md5", "client", "request_type", "note", ""]
)  # fmt: skip
DIRECTIVES = st.one_of(
    st.builds("#separator {}".format, st.sampled_from(["\\x09", "\\x2c", ",", "", "\\x0a", "ab"])),
    st.builds("#set_separator\t{}".format, st.text(max_size=2)),
    st.builds("#empty_field\t{}".format, st.text(max_size=3)),
    st.builds("#unset_field\t{}".format, st.text(max_size=3)),
    st.builds("#path\t{}".format, st.sampled_from(["conn", "dns", "x/y", "kerberos", "notice"])),
    st.builds(lambda names: "\t".join(["#fields", *names]), st.lists(ZEEK_FIELDS, max_size=5)),
    st.builds(lambda types: "\t".join(["#types", *types]), st.lists(ZEEK_TYPES, max_size=5)),
)
VALUES = st.one_of(
    st.text(max_size=4), st.sampled_from(["-", "(empty)", "a,b", "\\x2c,", "1.5", "T", "9" * 30])
)
BODY = st.builds("\t".join, st.lists(VALUES, min_size=1, max_size=5))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(DIRECTIVES, BODY), max_size=14))
def test_headers_may_say_anything(lines: list[str]) -> None:
    parse("\n".join(lines).encode("utf-8", "replace"))
