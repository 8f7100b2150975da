"""What attackers and broken shippers write: nothing raises and every record is accounted for."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventBatch
from hauberk.ingest import Parsed, RecordBatch
from hauberk.ingest.formats.windows import Evtx, WindowsJson, WindowsJsonDocument
from hauberk.ingest.formats.windows.mapping import mappings

MARKUP = st.sampled_from(["#text", "@Name", "#attributes", "Data", "Name"])
VALUES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.sampled_from(["", "-", "0x1", "::ffff:192.0.2.1", "\\", "a\\b", "9" * 30, "2024-01-01"])
    | st.text(max_size=6)
)  # fmt: skip
JSON = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["#text", "@Name", "#attributes", "Data", "Name"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
FIELDS = sorted(
    {field for mapping in mappings().values() for rs in mapping.columns.values() for field, _ in rs}
)
KINDS = sorted(mappings())


def accounted(parsed: Parsed) -> None:
    assert parsed.records == parsed.events + parsed.aggregated + len(parsed.rejects)
    seen = [n for each in parsed.groups for n in each.records.tolist()]
    assert len(set(seen)) == len(seen)
    EventBatch.from_groups("b", [each.group for each in parsed.groups])
    for each in parsed.groups:
        for name in each.group.fields.names():
            each.group.fields.column(name)
        each.group.fields.row(0)


@st.composite
def odd_records(draw: st.DrawFn) -> Any:
    service, code = draw(st.sampled_from(KINDS))
    row: dict[str, Any] = draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
    system = {
        "EventID": draw(st.just(code) | JSON),
        "Channel": draw(st.just(service) | JSON),
        "Computer": draw(JSON),
        "TimeCreated": draw(JSON),
        "Level": draw(JSON),
    }
    match draw(st.integers(0, 4)):
        case 0:
            return row | system
        case 1:
            return {"Event": {"System": system, "EventData": row}}
        case 2:
            return {"Event": {"System": draw(st.just(system) | JSON), "UserData": {"x": row}}}
        case 3:
            beat = {"channel": service, "event_id": code, "event_data": row}
            return {"winlog": draw(st.just(beat) | JSON), "event": draw(JSON), "@timestamp": None}
        case _:
            return draw(JSON)


@settings(max_examples=70, deadline=None)
@given(st.lists(odd_records(), max_size=6))
def test_records_with_values_of_any_type_are_accounted_for(rows: list[Any]) -> None:
    accounted(WindowsJson().parse(RecordBatch(b"\n".join(map(orjson.dumps, rows)), "f")))
    document = orjson.dumps({"Records": rows})
    parsed = WindowsJsonDocument().parse(RecordBatch(document, "f"))
    accounted(parsed)
    assert parsed.records == len(rows)


@settings(max_examples=25, deadline=None)
@given(st.lists(odd_records(), min_size=1, max_size=4), st.data())
def test_mangled_bytes_are_accounted_for(rows: list[Any], data: st.DataObject) -> None:
    whole = bytearray(b"\n".join(map(orjson.dumps, rows)))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for known in (WindowsJson(), WindowsJsonDocument(), Evtx()):
        known.sniff(cut, None)
        accounted(known.parse(RecordBatch(cut, "f")))
    accounted(
        WindowsJson().parse(RecordBatch(bytes(whole).decode("latin-1").encode("utf-16"), "f"))
    )


def test_a_thousand_spellings_of_a_channel_make_one_group() -> None:
    rows = [
        {"EventID": 1, "Channel": "".join(c.upper() if n >> i & 1 else c for i, c in
                                          enumerate("microsoft-x"))}
        for n in range(1000)
    ]  # fmt: skip
    parsed = WindowsJson().parse(RecordBatch(b"\n".join(map(orjson.dumps, rows)), "f"))
    assert len(parsed.groups) == 1
    accounted(parsed)


def test_events_of_ever_new_kinds_make_a_bounded_number_of_groups() -> None:
    rows = [{"EventID": n, "Channel": "Application"} for n in range(3000)]
    rows += [{"EventID": 1, "Channel": f"channel {n}"} for n in range(3000)]
    rows += [{"EventID": 4624, "Channel": "Security"}]
    parsed = WindowsJson().parse(RecordBatch(b"\n".join(map(orjson.dumps, rows)), "f"))
    accounted(parsed)
    assert parsed.events == len(rows)
    assert len(parsed.groups) < 1100
    assert ("security", "4624") in {(g.group.key.service, g.group.key.event_code)
                                    for g in parsed.groups}  # fmt: skip
    codes = {
        code
        for each in parsed.groups
        for code in each.group.events["metadata.event_code"].to_list()
    }
    assert {str(n) for n in range(3000)} <= codes
