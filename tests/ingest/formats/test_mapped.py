"""Files of any product by a mapping."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.events import EventClass, LogKey
from hauberk.ingest import RecordBatch
from hauberk.ingest.formats.mapped import FOLDER_VARIABLE, Mapped
from hauberk.ingest.formats.mapping import read_mapping

from .accounting import mangled, parsed_whole

ALERTS = b"""time,name,ip,host,short,time_label,event_label
1700000000,Wazuh: Service exited: gone,10.0.0.1,alpha,W-Svc,false_positive,-
1700000005,Suricata: Alert - odd query,10.0.0.2,beta,S-Dns,dnsteal,dnsteal
1700000007,"AMiner: quoted, with a comma",10.0.0.3,gamma,A-New,wpscan,-
"""

MINE = """
name = "edr"
form = "json"
product = "Edr"
service = "detections"
class = "detection_finding"
[recognise]
fields = ["detected_at", "verdict.name"]
[fields]
leave_out = ["truth"]
[time]
field = "detected_at"
unit = "iso"
[columns]
"metadata.product.name" = { otherwise = "edr" }
"finding_info.title" = { field = "verdict.name" }
"finding_info.attacks" = { field = "techniques", split = "," }
"severity_id" = { field = "level", values = { low = 2, high = 4 } }
"device.hostname" = { field = "machine" }
"""


def test_the_alert_set_becomes_findings_with_product_title_rule_and_host() -> None:
    assert Mapped().sniff(ALERTS, None) > 0.8
    parsed = parsed_whole(Mapped(), ALERTS)
    (part,) = parsed.groups
    assert part.group.key == LogKey("ait", "alerts")
    assert part.group.event_class is EventClass.DETECTION_FINDING
    events = part.group.events
    assert events["metadata.product.name"].to_list() == ["Wazuh", "Suricata", "AMiner"]
    assert events["finding_info.title"].to_list() == [
        "Service exited: gone", "Alert - odd query", "quoted, with a comma",
    ]  # fmt: skip
    assert events["finding_info.analytic.uid"].to_list() == ["W-Svc", "S-Dns", "A-New"]
    assert events["device.hostname"].to_list() == ["alpha", "beta", "gamma"]
    assert events["device.ip"].to_list() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert events["time"][0] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_ground_truth_reaches_neither_view() -> None:
    (part,) = parsed_whole(Mapped(), ALERTS).groups
    assert not {"time_label", "event_label"} & set(part.group.fields.names())
    for column in part.group.events.iter_columns():
        assert not {"false_positive", "dnsteal", "wpscan"} & set(map(str, column.to_list()))


def test_later_chunks_take_the_header_from_the_head() -> None:
    at = ALERTS.index(b"1700000005")
    parsed = Mapped().parse(RecordBatch(ALERTS[at:], "x", offset=at, head=ALERTS))
    assert parsed.events == parsed.records == 2
    assert parsed.offsets[0] == at


def test_lines_with_other_column_counts_or_open_quotes_are_rejected_where_they_stand() -> None:
    broken = ALERTS + b'1700000009,short\n1700000009,"open,1,2,3,4,5\nnever,a: b,1,h,s,x,y\n'
    parsed = parsed_whole(Mapped(), broken)
    assert parsed.events == 3
    assert [r.offset for r in parsed.rejects] == [
        broken.index(b"1700000009,s"), broken.index(b'1700000009,"'), broken.index(b"never"),
    ]  # fmt: skip


def test_json_lines_by_a_mapping_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edr.toml").write_text(MINE)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    data = (
        b'{"detected_at":"2024-01-02T03:04:05Z","verdict":{"name":"bad"},"techniques":["T1","T2"],'
        b'"level":"high","machine":"m1","truth":"evil"}\n'
        b'{"detected_at":"never","verdict":{"name":"bad"}}\n'
    )
    form = Mapped()
    assert form.sniff(data, None) > 0.8
    parsed = parsed_whole(form, data)
    (part,) = parsed.groups
    row = part.group.events.row(0, named=True)
    assert row["finding_info.attacks"] == ["T1", "T2"]
    assert row["severity_id"] == 4
    assert row["metadata.product.name"] == "edr"
    assert "truth" not in part.group.fields.names()
    assert len(parsed.rejects) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("form =", "no ="), "`form` is missing"),
        (("detection_finding", "no_class"), "no event class"),
        (("unit = \"iso\"", "unit = \"years\""), "unit is"),
        (("finding_info.title", "finding_info.nothing"), "no column"),
        ((", split = \",\"", ""), "a list"),
        (("name = \"edr\"", "name = "), "not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_says_what_is_wrong(change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        read_mapping(MINE.replace(*change, 1), "edr.toml")


def test_other_files_are_not_recognised() -> None:
    for head in (b"", b"time,name\n1,2\n", b'{"time": 1}\n', b"\x00\x01\x02", b'"\n'):
        assert Mapped().sniff(head, None) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    parsed_whole(Mapped(), mangled(ALERTS * 3, seed))
    parsed_whole(Mapped([read_mapping(MINE, "edr.toml")]), mangled(
        b'{"detected_at":"2024-01-02T03:04:05Z","verdict":{"name":"bad"},"level":"low"}\n' * 4, seed
    ))  # fmt: skip


def test_the_four_estates_are_read_whole(shared_data: Callable[[str], Path]) -> None:
    for file in sorted(shared_data("soc-ait-ads").rglob("*_alerts.txt"))[1:2]:
        parsed = parsed_whole(Mapped(), file.read_bytes())
        assert parsed.events == parsed.records == file.read_bytes().count(b"\n") - 1


def test_the_example_in_the_documentation_works() -> None:
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text("utf-8")
    table, mapping = (text.split(f"```{kind}\n", 1)[1].split("```")[0] for kind in ("csv", "toml"))
    (part,) = parsed_whole(Mapped([read_mapping(mapping, "docs")]), table.encode()).groups
    row = part.group.events.row(0, named=True)
    assert row["finding_info.attacks"] == ["T1560", "T1074"]
    assert (row["severity_id"], row["actor.user.name"]) == (4, "eve")
