"""Hunts over a real home: what they find, and all that they cannot do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.errors import UsageError
from hauberk.pipeline import ScanOptions, scan
from hauberk.reports import Answer, Bounds, Question, ask
from hauberk.store import Home

pytest.importorskip("duckdb", reason="the extra `hunt` is not installed")
pytest.importorskip("pytz", reason="the extra `hunt` is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("hunted")
    log = folder / "log.json"
    commands = ["vssadmin delete shadows /all /quiet", "wevtutil cl Security", "whoami"]
    rows = [
        {
            "@timestamp": f"2026-03-0{2 + number}T10:00:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": "ws07",
                "record_id": number,
                "event_data": {
                    "Image": rf"C:\Windows\System32\{command.split()[0]}.exe",
                    "CommandLine": command,
                    "User": r"CORP\jlee",
                },
            },
        }
        for number, command in enumerate(commands)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scan(ScanOptions(paths=[log], home=folder / "home"))
    with Home.open(folder / "home", read_only=True) as opened:
        yield opened


def rows(home: Home, sql: str, **bounds: float) -> list[list[object]]:
    return [list(row) for row in asked(home, sql, **bounds).rows]


def asked(home: Home, sql: str, **bounds: float) -> Answer:
    return ask(home, Question(sql), Bounds(**bounds))  # type: ignore[arg-type]


def test_attributes_have_the_names_of_ocsf(home: Home) -> None:
    sql = (
        "SELECT process.name, device.hostname, actor.user.name FROM process_activity ORDER BY time"
    )
    assert rows(home, sql)[0] == ["vssadmin.exe", "ws07", "jlee"]


def test_all_classes_findings_and_incidents_can_be_asked(home: Home) -> None:
    assert rows(home, "SELECT class, count(*) FROM events GROUP BY ALL") == [
        ["process_activity", 3]
    ]
    assert rows(home, "SELECT count(*) > 0 FROM findings WHERE detector = 'sigma'") == [[True]]
    found = rows(home, "SELECT probability, entities FROM incidents ORDER BY probability DESC")
    assert "host:ws07" in found[0][1]  # type: ignore[operator]


def test_a_table_without_events_has_its_columns_and_no_rows(home: Home) -> None:
    found = asked(home, "SELECT dst_endpoint.port, src_endpoint.ip FROM network_activity")
    assert [(one.name, one.is_number) for one in found.columns] == [("port", True), ("ip", False)]
    assert not found.rows


def test_bounds_of_time_hold_for_every_event(home: Home) -> None:
    since, until = datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    found = ask(home, Question("SELECT process.name FROM process_activity", since, until))
    assert found.rows == [["wevtutil.exe"]]
    assert found.files <= 3


def test_times_are_utc_and_records_are_text(home: Home) -> None:
    found = asked(home, "SELECT time, raw_data FROM process_activity ORDER BY time LIMIT 1")
    assert found.columns[0].is_time
    assert found.rows[0][0] == "2026-03-02T10:00:00+00:00"
    assert "vssadmin" in str(found.rows[0][1])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '{scratch}/out.csv'",
        "COPY process_activity TO '{lake}'",
        "EXPORT DATABASE '{scratch}/all'",
        "ATTACH '{scratch}/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '99GB'",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "CREATE TABLE mine AS SELECT 1",
        "DROP VIEW findings",
        "SELECT 1; COPY (SELECT 1) TO '{scratch}/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{scratch}/out.csv'",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{scratch}/out.csv''')",
        "SELECT getenv('HOME')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    ],
)
def test_a_hunt_cannot(home: Home, tmp_path: Path, sql: str) -> None:
    lake = home.lake.files("process_activity")[0]
    before = lake.read_bytes()
    with pytest.raises(UsageError):
        asked(home, sql.replace("{scratch}", str(tmp_path)).replace("{lake}", str(lake)))
    assert not list(tmp_path.iterdir())
    assert lake.read_bytes() == before


def test_the_namespaces_keep_files_even_from_a_program_that_tries(
    home: Home, tmp_path: Path
) -> None:
    """What DuckDB refuses would also meet a read-only file system and no network."""
    answer = asked(home, "SELECT 1")
    if not answer.confined.startswith("namespaces"):
        pytest.skip(f"this host does not let processes be confined: {answer.confined}")
    sandbox = Path(sys.modules["hauberk.models"].__file__ or "").parent / "training/sandbox.py"
    lake = home.lake.files("process_activity")[0]
    program = (
        "import runpy, socket, sys; from pathlib import Path;"
        f"m = runpy.run_path({str(sandbox)!r});"
        "m['confine'](Path(sys.argv[2]), {'cpu_seconds': 5, 'memory_mib': 512, 'output_mib': 0});"
        "tried = [];\n"
        "try: open(sys.argv[1], 'ab')\n"
        "except OSError as e: tried.append(e.errno)\n"
        "try: socket.create_connection(('127.0.0.1', 9), 1)\n"
        "except OSError as e: tried.append(e.errno)\n"
        "print(tried)"
    )
    command = [sys.executable, "-c", program, str(lake), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[30, 101]"  # read-only file system, network unreachable


def test_what_takes_too_long_is_ended(home: Home) -> None:
    endless = (
        "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    )
    with pytest.raises(UsageError, match="longer than 1 s"):
        asked(home, endless, seconds=1)


def test_what_takes_too_much_memory_is_ended(home: Home) -> None:
    with pytest.raises(UsageError, match=r"(?i)memory"):
        asked(home, "SELECT list(range) FROM range(1000000000)", memory_mib=128)


def test_long_answers_are_cut_and_say_so(home: Home) -> None:
    answer = asked(home, "SELECT range FROM range(100000)", max_rows=10)
    assert (len(answer.rows), answer.cut) == (10, True)
    wide = asked(home, "SELECT repeat('x', 10000) FROM range(1000)", max_bytes=100_000)
    assert wide.cut
    assert len(wide.rows) < 11


def test_a_mark_stands_below_what_it_means_and_controls_do_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT '\x1b[31m' AS a, 'b' AS b,\n nope FROM events"
    with pytest.raises(SystemExit) as left:
        main(["hunt", "--home", str(home.path), sql])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    first, *rest = said.rstrip().splitlines()
    assert first.startswith("error: Binder Error")
    assert all(one.startswith("  ") for one in rest if one)
    line, mark = rest[-2:]
    assert line.startswith("  LINE 2: ")
    assert mark.index("^") == line.index("nope")


def test_lines_of_telemetry_in_a_fault_pass_for_none_of_ours(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "SELECT (process.name || chr(10) || 'error: all is well' || chr(27) || '[2J')::INT"
    with pytest.raises(SystemExit):
        main(["hunt", "--home", str(home.path), f"{sql} FROM process_activity"])
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert [one for one in said.splitlines() if one.startswith("error:")] == [said.splitlines()[0]]


def test_faults_say_what_duckdb_says(home: Home) -> None:
    with pytest.raises(UsageError, match="nope"):
        asked(home, "SELECT nope FROM process_activity")
    with pytest.raises(UsageError, match="syntax error"):
        asked(home, "SELEC 1")
    with pytest.raises(UsageError, match="no question"):
        asked(home, "  ")
