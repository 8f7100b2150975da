"""JSON records out of lines and documents."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import RecordBatch
from hauberk.ingest.formats.json_fields import JsonFields
from hauberk.ingest.formats.json_lines import parse_json_document, parse_json_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


def test_only_the_bad_lines_are_rejected_and_the_reason_says_what_was_expected() -> None:
    parsed = parse_json_lines(RecordBatch(b'{"a":1}\n{"a":\n[1]\n{"a":2}\nhello\n', "f"))
    assert parsed.rows == [{"a": 1}, {"a": 2}]
    assert parsed.numbers.tolist() == [0, 3]
    assert [r.offset for r in parsed.rejects] == [8, 14, 26]
    assert all("expected" in r.reason for r in parsed.rejects)


def test_a_line_cannot_reach_into_its_neighbours() -> None:
    parsed = parse_json_lines(RecordBatch(b'{"a":[1\n2]}\n{"a":1},{"b":2}\n{"c":3}', "f"))
    assert parsed.rows == [{"c": 3}]
    assert parsed.numbers.tolist() == [3]


@pytest.mark.parametrize(
    "line",
    [
        b'{"CommandLine":"\\ud800 evil"}',
        b'{"CommandLine":"\xff evil"}',
        b'{"CommandLine":"\x01 evil"}',
        b'{"CommandLine":"? evil","n":NaN}',
        b'{"CommandLine":"? evil","n":' + b"9" * 100 + b"}",
    ],
)
def test_odd_text_does_not_hide_a_record(line: bytes) -> None:
    parsed = parse_json_lines(RecordBatch(line, "f"))
    assert str(parsed.rows[0]["CommandLine"]).endswith(" evil")


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_deep_nesting_is_rejected_and_not_raised(opener: bytes) -> None:
    deep = opener * 100_000
    assert len(parse_json_lines(RecordBatch(deep, "f")).rejects) == 1
    assert len(parse_json_document(RecordBatch(deep, "f")).rejects) >= 1


@given(st.binary(max_size=300), st.sampled_from([(), ("Records",)]))
def test_any_bytes_are_accounted_for(data: bytes, keys: tuple[str, ...]) -> None:
    for parsed in (
        parse_json_lines(RecordBatch(data, "f")),
        parse_json_document(RecordBatch(data, "f"), keys),
    ):
        assert len(parsed.offsets) == len(parsed.lengths)
        assert len(parsed.offsets) == len(parsed.rows) + len(parsed.rejects)
        assert len(parsed.numbers) == len(parsed.rows)


@given(st.lists(OBJECTS, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_members_of_a_document_are_found_where_they_stand(
    objects: list[dict[str, object]], indent: int | None, wrapped: bool
) -> None:
    value = {"x": [[1], "]}"], "Records": objects} if wrapped else objects
    data = json.dumps(value, indent=indent).encode()
    parsed = parse_json_document(RecordBatch(data, "f", offset=0), ("Records",))
    assert len(parsed.rows) == len(objects)
    assert not parsed.rejects
    for row, offset, length in zip(parsed.rows, parsed.offsets, parsed.lengths, strict=True):
        part = parse_json_lines(RecordBatch(data[offset : offset + length].replace(b"\n", b""), ""))
        assert orjson.dumps(part.rows[0]) == orjson.dumps(row)


def test_documents_one_after_the_other_are_records_each() -> None:
    data = b'{\n "a": 1\n}\n{\n "a": 2\n}\ngarbage\n'
    parsed = parse_json_document(RecordBatch(data, "f"))
    assert parsed.rows == [{"a": 1}, {"a": 2}]
    assert [data[r.offset : r.offset + r.length] for r in parsed.rejects] == [b"garbage"]


def test_a_truncated_document_keeps_what_is_whole() -> None:
    parsed = parse_json_document(RecordBatch(b'[{"a":1},{"a":2},{"a":', "f"))
    assert parsed.rows == [{"a": 1}, {"a": 2}]
    assert len(parsed.rejects) == 1


def test_many_small_documents_are_read_in_linear_time() -> None:
    parsed = parse_json_document(RecordBatch(b'{"a":1}\n' * 50_000, "f"))
    assert len(parsed.rows) == 50_000


def test_fields_read_nested_names_and_a_key_with_dots_wins() -> None:
    fields = JsonFields(
        [
            {"user": {"type": "Root", "tags": [{"k": 1}, {"k": 2}]}, "a.b": 1, "a": {"b": 2}},
            {"user": {"type": None}},
            {},
        ]
    )
    assert fields.column("user.type") == ["Root", None, None]
    assert fields.has("user.type") == [True, True, False]
    assert fields.column("user.tags.k") == [[1, 2], None, None]
    assert fields.column("a.b") == [1, None, None]
    assert fields.column("nothing") is None
    assert fields.column("user")[1] == '{"type":null}'  # type: ignore[index]
    assert set(fields.names()) == {"user.type", "user.tags", "a.b"}
    assert fields.row(1) == {"user.type": None}


@given(st.lists(OBJECTS, max_size=4))
def test_every_named_field_can_be_read(rows: list[dict[str, object]]) -> None:
    fields = JsonFields(rows)
    for name in fields.names():
        column = fields.column(name)
        assert column is not None
        assert len(column) == len(rows)
        assert not any(isinstance(value, dict) for value in column)
