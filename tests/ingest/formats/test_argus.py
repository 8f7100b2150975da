from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest.formats.argus import Argus
from hauberk.ingest.interface import Parsed, RecordBatch

from .accounts import check_accounts, holds, mangled, only, row_of

HEADER = (
    "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,"
    "SrcBytes,Label"
)
FLOW = (
    "2011/08/10 09:46:53.047277,1.5,tcp,192.0.2.10,50123,   ->,198.51.100.7,443,FSPA_FSPA,0,0,10,"
    "1000,300,flow=From-Botnet-V42-TCP"
)


def parse(data: bytes, head: bytes = b"", offset: int = 0) -> Parsed:
    parsed = Argus().parse(RecordBatch(data, "test", offset, head))
    check_accounts(parsed)
    return parsed


def table(*lines: str) -> bytes:
    return "\n".join([HEADER, *lines]).encode() + b"\n"


def test_a_flow_becomes_network_activity() -> None:
    part = only(parse(table(FLOW)))
    assert part.group.event_class is EventClass.NETWORK_ACTIVITY
    row = row_of(part)
    assert str(row["time"]) == "2011-08-10 09:46:53.047277+00:00"
    holds(
        row,
        {
            "src_endpoint.ip": "192.0.2.10", "src_endpoint.port": 50123,
            "dst_endpoint.ip": "198.51.100.7", "dst_endpoint.port": 443,
            "connection_info.protocol_name": "tcp", "duration": 1.5, "status_id": 1,
            "traffic.bytes_out": 300, "traffic.bytes_in": 700,
        },
    )  # fmt: skip
    assert part.group.fields.column("TotPkts") == [10]
    assert part.group.fields.column("Dir") == ["->"]


def test_times_may_be_seconds_since_1970() -> None:
    line = FLOW.replace("2011/08/10 09:46:53.047277", "1312969613.5")
    assert str(row_of(only(parse(table(line))))["time"]) == "2011-08-10 09:46:53.500000+00:00"


def test_the_label_is_in_neither_view() -> None:
    part = only(parse(table(FLOW)))
    assert "Label" not in part.group.fields.names()
    assert "Botnet" not in str(part.group.fields.row(0)) + str(row_of(part))


def test_a_flow_that_the_second_side_began_is_turned_round() -> None:
    row = row_of(only(parse(table(FLOW.replace("   ->", "  <-")))))
    holds(row, {"src_endpoint.ip": "198.51.100.7", "dst_endpoint.port": 50123})
    holds(row, {"traffic.bytes_out": 700, "traffic.bytes_in": 300})


def test_how_it_went_is_read_from_the_flags() -> None:
    for state, status in (("S_RA", 2), ("S_", 2), ("SRPA_SPA", 1), ("CON", 1), ("INT", 0)):
        line = FLOW.replace("FSPA_FSPA", state)
        assert row_of(only(parse(table(line))))["status_id"] == status, state


def test_icmp_types_and_hardware_addresses_are_no_ports_and_no_addresses() -> None:
    line = FLOW.replace("50123", "0x0008").replace("192.0.2.10", "00:1b:2c:3d:4e:5f")
    holds(row_of(only(parse(table(line)))), {"src_endpoint.port": 8, "src_endpoint.ip": None})


def test_a_line_with_another_number_of_values_is_rejected_and_shifts_no_other() -> None:
    parsed = parse(table(FLOW, "2011/08/10 09:46:53,1", FLOW + ",more", FLOW))
    assert parsed.records == 4
    assert len(parsed.rejects) == 2
    assert parsed.groups[0].records.tolist() == [0, 3]


def test_tabs_later_chunks_and_files_without_a_header_are_read() -> None:
    tabbed = table(FLOW).replace(b",", b"\t")
    expected = row_of(only(parse(table(FLOW))))
    body = FLOW.encode() + b"\n"
    for parsed in (
        parse(tabbed),
        parse(body, head=table(FLOW), offset=len(table(FLOW))),
        parse(body),
        parse(b"\xff\xfe" + table(FLOW).decode().encode("utf-16-le")),
    ):
        assert row_of(only(parsed)) == expected
        assert "Label" not in only(parsed).group.fields.names()


def test_sniffing_goes_by_the_columns() -> None:
    assert Argus().sniff(table(FLOW), None) > 0.9
    assert Argus().sniff(FLOW.encode(), None) > 0.5
    for other in (
        b"ts,uid,id.orig_h",
        b"StartTime,Dur\n",
        b"{}",
        b"",
        b"a,b,c,d,e,f,g,h,i,j,k,l,m,n",
    ):
        assert Argus().sniff(other, None) == 0


def test_real_flows_are_accounted_for_line_by_line(shared_data: Callable[[str], Path]) -> None:
    total = 0
    for path in shared_data("slips-testdata").rglob("*.binetflow"):
        data = path.read_bytes()
        assert Argus().sniff(data[:65536], None) > 0.9
        part = only(parse(data))
        lines = [line for line in data.split(b"\n") if line.strip()]
        assert part.group.events.height == len(lines) - 1
        assert part.group.events["time"].null_count() == 0
        for name in part.group.fields.names():
            values = map(str, set(part.group.fields.column(name) or ()))
            assert not any("Background" in v or "Botnet" in v or "flow=" in v for v in values)
        total += part.group.events.height
    assert total > 7000


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=5), st.integers(0, 9)), max_size=5)
)
def test_mangled_tables_are_accounted_for_and_never_raise(
    edits: list[tuple[int, bytes, int]],
) -> None:
    parse(mangled(table(FLOW, FLOW, FLOW), edits))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b and b.strip()), max_size=4))
def test_good_lines_survive_beside_bad_ones(bad: list[bytes]) -> None:
    bad = [line for line in bad if line.count(b",") != 14]
    good = FLOW.encode()
    parsed = parse(HEADER.encode() + b"\n" + b"\n".join([good, *(b + b"\n" + good for b in bad)]))
    assert parsed.events == len(bad) + 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 500))
def test_any_bytes_are_accounted_for(data: bytes, offset: int) -> None:
    parse(data, head=table(FLOW), offset=offset)
    assert 0 <= Argus().sniff(data, None) <= 1
