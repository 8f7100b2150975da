"""What an emulation leaves on disk."""

import gzip
import hashlib
from collections import Counter
from pathlib import Path

import orjson
import pytest

from hauberk.emulate import Emulated, campaigns, emulate
from hauberk.errors import UsageError
from hauberk.ingest import RecordBatch, recognise


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _records(path: Path) -> list[bytes]:
    data = _unpacked(path)
    if path.suffix == ".gz":
        return [orjson.dumps(record) for record in orjson.loads(data)["Records"]]
    return [line for line in data.splitlines() if not line.startswith(b"#")]


def test_every_file_is_recognised_and_every_record_becomes_an_event(
    attacked: Emulated, logs: list[Path]
) -> None:
    formats: Counter[str] = Counter()
    records = 0
    for path in logs:
        data = _unpacked(path)
        known = recognise(data[: 64 << 10], path)
        assert known is not None, path
        parsed = known.parse(RecordBatch(data, str(path), head=data[: 64 << 10]))
        assert not parsed.rejects, (path, parsed.rejects[:3])
        assert parsed.records == parsed.events + parsed.aggregated
        records += parsed.records
        formats[known.name] += 1
    assert records == attacked.records
    assert len(logs) == attacked.files
    assert set(formats) == {
        "windows-json", "zeek", "cloudtrail-document", "syslog", "auditd", "journald",
    }  # fmt: skip


def test_the_same_seed_writes_the_same_bytes_over_an_earlier_emulation(
    quiet: Emulated, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "old.log").write_text("of an earlier run")
    (tmp_path / "README.md").write_bytes((quiet.logs.parent / "README.md").read_bytes())
    again = emulate(tmp_path, seed=3, users=3)
    assert _digests(tmp_path) == _digests(quiet.logs.parent)
    assert again.records == quiet.records


def test_another_seed_is_another_company(quiet: Emulated, attacked: Emulated) -> None:
    names = [
        {path.name.split("_")[0] for path in made.logs.rglob("*.gz")} for made in (quiet, attacked)
    ]
    assert names[0].isdisjoint(names[1])


def test_a_quiet_company_has_an_empty_truth(quiet: Emulated) -> None:
    assert quiet.truth.read_bytes() == b""


def test_records_of_a_file_are_in_order_of_time(logs: list[Path]) -> None:
    for path in logs:
        if path.parts[-3] == "zeek":
            times = [float(line.split(b"\t", 1)[0]) for line in _records(path)]
        elif path.suffix in {".ndjson", ".gz"}:
            rows = [orjson.loads(line) for line in _records(path)]
            times = [row.get("@timestamp") or row["eventTime"] for row in rows]
        else:
            continue
        assert times == sorted(times), path


def test_truth_names_records_that_exist_and_show_the_step(attacked: Emulated) -> None:
    steps = [orjson.loads(line) for line in attacked.truth.read_bytes().splitlines()]
    assert {step["campaign"] for step in steps} == set(campaigns())
    for step in steps:
        assert step["techniques"]
        assert step["start"] <= step["end"]
        assert step["records"], step["step"]
        for shown in step["records"]:
            records = _records(attacked.logs / shown["file"])
            assert min(shown["numbers"]) >= 1
            assert max(shown["numbers"]) <= len(records)


def test_truth_lies_beside_the_logs_and_never_among_them(attacked: Emulated) -> None:
    assert attacked.logs not in attacked.truth.parents
    for path in attacked.logs.rglob("*"):
        assert "truth" not in path.name


def test_what_was_not_emulated_is_never_deleted(tmp_path: Path) -> None:
    mine = tmp_path / "logs" / "mine.log"
    mine.parent.mkdir()
    mine.write_text("keep me")
    with pytest.raises(UsageError):
        emulate(tmp_path, users=3)
    assert mine.read_text() == "keep me"


def test_an_unknown_campaign_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no campaign"):
        emulate(tmp_path / "x", campaigns=["flood"])
    assert not (tmp_path / "x").exists()
