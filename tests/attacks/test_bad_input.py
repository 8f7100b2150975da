"""Input that nobody should write, homes that are broken, disks that are full: told, never fatal."""

import io
import json
import math
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.pipeline import Scan, ScanOptions, scan
from hauberk.store import Home, verify

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def record(command: str, time: object = "2026-03-02T10:00:00Z") -> str:
    return json.dumps(
        {
            "@timestamp": time,
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": "ws07.corp.example",
                "event_data": {
                    "Image": "C:\\Windows\\System32\\" + command.split(maxsplit=1)[0] + ".exe",
                    "CommandLine": command,
                    "ParentImage": r"C:\Windows\System32\cmd.exe",
                    "User": r"CORP\jlee",
                },
            },
        }
    )


ATTACK = [
    record(r"rundll32 C:\Windows\System32\comsvcs.dll, MiniDump 612 a.dmp full"),
    record("vssadmin delete shadows /all /quiet"),
    record("wevtutil cl Security"),
]
LOG = "\n".join(ATTACK) + "\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one scan in it, to be copied and never written."""
    folder = tmp_path_factory.mktemp("scanned")
    (folder / "attack.json").write_text(LOG)
    scan(ScanOptions(paths=[folder / "attack.json"], home=folder / "home"))
    return folder / "home"


@pytest.fixture
def copied(scanned: Path, home: Path) -> Path:
    shutil.copytree(scanned, home)
    return home


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([os.fspath(one) if isinstance(one, Path) else str(one) for one in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


# Peak memory in KiB of the process itself: what getrusage says may be a parent's or a sibling's.
_PEAK = """
import atexit, os, re
def tell():
    with open("/proc/self/status") as status, open(os.environ["PEAK"], "w") as peak:
        peak.write(re.search(r"VmHWM:\\s*(\\d+)", status.read())[1])
if "PEAK" in os.environ:
    atexit.register(tell)
"""


def hauberk(*arguments: object, **options: object) -> "subprocess.CompletedProcess[str]":
    code = _PEAK + "import sys; from hauberk.cli import main; main(sys.argv[1:])"
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", code, *map(str, arguments)],
        **{"capture_output": True, "text": True, "timeout": 300, **options},
    )


def read(home: Path, *paths: Path) -> tuple[Scan, dict[str, str]]:
    """A scan, and why each input that was not read was not, by the end of its name."""
    answer = scan(ScanOptions(paths=paths, home=home))
    assert verify(home).ok
    unread = {one.path.rsplit("/", 1)[-1]: one.reason for one in answer.accounting.unread}
    return answer, unread


def test_what_cannot_be_read_is_named_and_the_rest_is_scanned(logs: Path, home: Path) -> None:
    (logs / "good.json").write_text(LOG)
    (logs / "empty.log").touch()
    (logs / "junk.bin").write_bytes(bytes(range(256)) * 99)
    (logs / "gone").symlink_to("nowhere")
    (logs / "zeros").symlink_to("/dev/zero")
    os.mkfifo(logs / "pipe")
    (logs / "deep").mkdir()
    (logs / "deep" / "loop").symlink_to("..")
    (logs / "self").symlink_to("self")
    answer, unread = read(home, logs)
    assert answer.accounting.events == 3
    assert answer.above
    assert set(unread) == {"empty.log", "junk.bin", "gone", "zeros", "pipe", "self"}
    assert unread["pipe"] == unread["zeros"] == "no regular file (a pipe, socket or device)"
    assert unread["gone"] == "no such file or folder"
    assert unread["self"] == "too many levels of symbolic links"


def test_an_empty_folder_exits_three_and_names_it(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", logs, "--home", home) == 3
    assert f"{logs}: nothing could be read: the folder holds no files" in capsys.readouterr().err
    assert verify(home).ok


def test_names_that_steer_terminals_stay_text_everywhere(
    logs: Path, home: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    names = [b"nl\nname", b"esc\x1b[31m\x07", b"rtl\xe2\x80\xaegnp", b"inv\xff\xfe", b"x" * 250]
    names += [b"[bold]m[", b"<script>", b"%s%n", b"-"]
    for name in names:
        (Path(os.fsdecode(os.fsencode(logs) + b"/" + name + b".log"))).write_text("not a log\n")
    (logs / "good\x1b[2J\u202e\n.json").write_text(LOG)
    page = home.with_name("page.html")
    assert run("scan", logs, "--home", home, "--html", page, "--json", "-") == 10
    captured = capsysbinary.readouterr()
    rows = [json.loads(line) for line in captured.out.decode("utf-8", "strict").splitlines()]
    assert {row["class_uid"] for row in rows} == {2004, 2005}
    for text in (captured.out, captured.err, page.read_bytes()):
        assert not STEERING.search(text.decode("utf-8", "strict"))
    assert b"<script>.log" not in page.read_bytes()
    assert verify(home).ok


def test_archives_that_lie_or_bite_cost_nothing_but_themselves(
    logs: Path, home: Path, tmp_path: Path
) -> None:
    (logs / "good.json").write_text(LOG)
    nested = LOG.encode()
    for _ in range(6):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner", nested)
        nested = packed.getvalue()
    (logs / "russian.zip").write_bytes(nested)
    with zipfile.ZipFile(logs / "climbing.zip", "w") as archive:
        archive.writestr("../../climbed.json", LOG)
    with tarfile.open(logs / "climbing.tar", "w") as tar:
        for name in (str(tmp_path / "absolute.json"), "../../climbed.json"):
            entry = tarfile.TarInfo(name)
            entry.size = len(LOG)
            tar.addfile(entry, io.BytesIO(LOG.encode()))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", LOG)
    (logs / "cut.zip").write_bytes(whole.getvalue()[:-30])
    locked = bytearray(whole.getvalue())
    locked[6] |= 1
    locked[locked.find(b"PK\1\2") + 8] |= 1
    (logs / "locked.zip").write_bytes(locked)
    (logs / "misnamed.gz").write_text(LOG)
    before = sorted(tmp_path.iterdir())
    answer, unread = read(home, logs)
    assert answer.accounting.events >= 3
    assert "limit: depth" in " ".join(unread.values())
    assert unread["a.json"] == "encrypted: unpack it with its password and scan that"
    assert unread["link"] == "no regular file (a link, pipe or device)"
    assert unread["cut.zip"]
    assert "misnamed.gz" not in unread
    assert sorted({*tmp_path.iterdir()} - {home}) == before


@pytest.mark.slow
def test_a_bomb_stops_at_the_ratio_and_is_named(logs: Path, home: Path) -> None:
    (logs / "good.json").write_text(LOG)
    line = (record("calc " + "a" * 60_000) + "\n").encode()
    with zipfile.ZipFile(logs / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("zeros.json", "w", force_zip64=True) as member:
            member.write(line)
            for _ in range(700):
                member.write(b"\n" * (1 << 20))
        archive.writestr("after.json", LOG)
    answer, unread = read(home, logs)
    assert answer.above
    assert "limit: compression ratio" in " ".join(unread.values())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_the_encodings_that_windows_writes_are_read(encoding: str, logs: Path, home: Path) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (logs / "log.json").write_bytes((mark + LOG.replace("jlee", "jl\xe9e")).encode(encoding))
    answer, _ = read(home, logs)
    accounts = answer.accounting
    assert accounts.records == 3
    assert accounts.events == 3
    assert answer.above


def test_a_log_that_is_not_utf_8_is_told_with_the_byte_and_what_to_do(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "log.json").write_bytes(LOG.replace("jlee", "jl\xe9e").encode("latin-1"))
    assert run("scan", logs, "--home", home) == 3
    text = capsys.readouterr().err
    assert "log.json: nothing could be read: text that is not UTF-8 (byte 0xe9 at " in text
    assert "iconv" in text


def test_impossible_clocks_silence_no_rule(logs: Path, home: Path) -> None:
    times: list[object] = [
        "1970-01-01T00:00:00Z", "2100-06-01T00:00:00Z", "9999-12-31T23:59:59Z",
        "-0044-03-15T12:00:00Z", "99999-01-01T00:00:00Z", "0000-00-00T00:00:00Z",
        0, -1, 1e300, 2**63, math.nan, None, [], {}, "",
    ]  # fmt: skip
    rows = [*ATTACK, *(record("vssadmin delete shadows /all", time) for time in times)]
    (logs / "log.json").write_text("\n".join(rows) + "\n")
    answer, _ = read(home, logs)
    assert not answer.faults
    assert answer.above
    accounts = answer.accounting
    assert accounts.records == len(rows)
    assert accounts.records == accounts.events + accounts.rejected


def test_nul_surrogates_and_broken_lines_are_accounted_for(
    logs: Path, home: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = ATTACK[1].replace("/quiet", r"\u0000 \udc80 \ud800")
    data = f"{ATTACK[0]}\n{chr(0) * 5000}\n{odd}\n{ATTACK[2]}\n".encode() + b"\xff\xfe\xfa{\n"
    (logs / "log.json").write_bytes(data)
    assert run("scan", logs, "--home", home, "--json", "-", "-q") == 10
    rows = capsysbinary.readouterr().out.decode("utf-8", "strict").splitlines()
    assert all(isinstance(json.loads(row), dict) for row in rows)
    report = verify(home)
    assert report.ok
    counts = report.counts
    assert counts["records"] == counts["events"] + counts["aggregated"] + counts["rejected"]
    assert counts["rejected"]


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [True, False])
def test_one_enormous_line_costs_no_memory_and_hides_nothing(
    sparse: bool, logs: Path, home: Path
) -> None:
    path = logs / "log.json"
    with path.open("wb") as file:
        file.write(ATTACK[0].encode() + b"\n")
        if sparse:
            file.truncate(10 << 30)
            file.seek(0, os.SEEK_END)
        else:
            file.write(b'{"a": "' + b"x" * (100 << 20) + b'"}')
        file.write(b"\n" + "\n".join(ATTACK[1:]).encode() + b"\n")
    peak = home.with_name("peak")
    ended = hauberk(
        "scan", path, "--home", home, "--json", home.with_name("out.json"),
        timeout=900, env={**os.environ, "PEAK": str(peak)},
    )  # fmt: skip
    assert ended.returncode == 10
    assert "expected at most 16777216" in ended.stdout
    assert verify(home).counts["events"] == 3
    assert int(peak.read_text()) < 700 << 10


@pytest.mark.slow
def test_many_tiny_files_need_few_descriptors(logs: Path, home: Path) -> None:
    for number in range(3_000):
        (logs / f"{number}.json").write_text(ATTACK[number % 3].replace("ws07", f"ws{number}"))

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    ended = hauberk("scan", logs, "--home", home, "-q", preexec_fn=few, timeout=900)
    assert ended.returncode in {0, 10}, ended.stderr
    assert verify(home).counts["events"] == 3_000
    # Every host shows the same on the same day: that is the weather, and hardly an incident.
    with Home.open(home, read_only=True) as opened:
        assert all(one.probability < 0.05 for one in opened.records.incidents())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "nan"], "--budget"),
        (["--budget=-1"], "--budget"),
        (["--budget", "inf"], "--budget"),
        (["--budget", "many"], "--budget"),
        (["--since", "2026-03-03", "--until", "2026-03-02"], "--since, --until"),
        (["--since", "0001-01-01T00:00+14:00"], "--since"),
        (["--rules", "nowhere"], "nowhere: there is no such file or folder"),
        (["--nonsense"], "--nonsense"),
        (["x" * 300], "File name too long"),
        (["--html", "/nowhere/at/all.html"], "there is no folder /nowhere/at"),
        (["--json", "/"], "this is a folder; expected a file"),
        (["--home", __file__], "is a file"),
    ],
)
def test_a_wrong_option_exits_two_and_is_named(
    arguments: list[str], said: str, logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "log.json").write_text(LOG)
    assert run("scan", logs / "log.json", "--home", home, *arguments) == 2
    text = capsys.readouterr().err
    assert said in text
    assert "fault of Hauberk's" not in text
    assert not home.exists()


def _newer(home: Path) -> None:
    with sqlite3.connect(home / "records.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")


def _junk(home: Path) -> None:
    (home / "records.sqlite3").write_bytes(b"no database " * 999)


def _scrambled(home: Path) -> None:
    path = home / "records.sqlite3"
    path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096))


def _emptied(home: Path) -> None:
    (home / "records.sqlite3").write_bytes(b"")


def _keyless(home: Path) -> None:
    (home / "keys" / "ledger.pem").unlink()


def _without_findings(home: Path) -> None:
    for path in (home / "lake" / "findings").glob("*.parquet"):
        path.unlink()


def _with_broken_findings(home: Path) -> None:
    for path in (home / "lake" / "findings").glob("*.parquet"):
        path.write_bytes(b"junk")


@pytest.mark.parametrize(
    ("harm", "code", "said"),
    [
        (_newer, 2, "newer than"),
        (_junk, 5, "the records database is damaged"),
        (_scrambled, 5, "the records database is damaged"),
        (_emptied, 5, "the records database is empty, but the home holds"),
        (_keyless, 5, "the key that signs the ledger cannot be read"),
        (_without_findings, 5, "a file of the home is missing or damaged"),
        (_with_broken_findings, 5, "a file of the home is missing or damaged"),
    ],
)
def test_a_broken_home_is_named_and_left_as_it_is(
    harm: Callable[[Path], None], code: int, said: str, copied: Path, logs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for left in copied.glob("records.sqlite3-*"):
        left.unlink()
    harm(copied)
    (logs / "log.json").write_text(LOG)
    before = {path: path.read_bytes() for path in copied.rglob("*.parquet")}
    assert run("scan", logs / "log.json", "--home", copied) == code
    text = capsys.readouterr().err
    assert said in text
    assert "fault of Hauberk's" not in text
    assert len(text.splitlines()) == 2  # what happened and where, then what to do
    assert {path: path.read_bytes() for path in copied.rglob("*.parquet")} == before


@pytest.mark.parametrize("command", [["show", "1"], ["verify"], ["replay", "aa"]])
def test_what_is_no_home_is_refused_and_not_made_one(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").touch()
    for place in ("nowhere", "foreign"):
        assert run(*command, "--home", tmp_path / place) == 2
        assert "this is no home" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["foreign", "letter.txt"]


def test_rules_that_break_are_listed_and_the_others_work(logs: Path, home: Path) -> None:
    rules = logs.with_name("rules")
    rules.mkdir()
    good = """
title: Winword in the test
id: 5f0c3b9c-2c1e-4b6e-8a41-0d8f5f9f3a11
status: test
level: high
logsource: {category: process_creation, product: windows}
detection:
    selection: {CommandLine|contains: house-of-cards}
    condition: selection
"""
    (rules / "good.yml").write_text(good)
    (rules / "broken.yml").write_text("title: [\n  - : :")
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )
    (rules / "bomb.yml").write_text(bomb)
    (rules / "huge.yml").write_text("# " + "x" * (20 << 20))
    for name, pattern in (("count", "(((a{100}){100}){100}){100}"), ("look", "(?<=x)(a+)+$")):
        text = good.replace("contains: house-of-cards", f"re: '{pattern}'").replace("5f0c", "5f0d")
        (rules / f"{name}.yml").write_text(text)
    (rules / "binary.yml").write_bytes(bytes(range(256)))
    (logs / "log.json").write_text(record("winword house-of-cards") + "\n")
    answer = scan(ScanOptions(paths=[logs], home=home, rules=[rules]))
    refused = {Path(one.path).stem for one in answer.refused}
    assert {"broken", "bomb", "count", "look", "binary"} <= refused
    assert "good" not in refused
    titles = {title for one in answer.incidents for title in (one.title, one.narrative)}
    assert any("Winword in the test" in title for title in titles)


def test_an_output_that_cannot_be_written_leaves_the_scan_stored(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (logs / "log.json").write_text(LOG)
    assert run("scan", logs, "--home", home, "--json", "/dev/full") == 6
    told = capsys.readouterr()
    assert "--json /dev/full: there is no room left" in told.err
    assert "hauberk show" in told.out
    assert verify(home).counts["events"] == 3


def test_a_report_is_replaced_whole_or_not_at_all(
    logs: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (logs / "log.json").write_text(LOG)
    page = home.with_name("page.html")
    page.write_text("yesterday's")

    def fails(_answer: Scan, stream: io.TextIOBase) -> None:
        stream.write("half a page")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hauberk.cli.scan.write_html", fails)
    assert run("scan", logs, "--home", home, "--html", page) == 6
    assert page.read_text() == "yesterday's"
    assert sorted(path.name for path in page.parent.iterdir()) == ["home", "logs", "page.html"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    # Lazily: a process that is ending may still have a file of it open.
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_exits_six_and_harms_nothing_that_was_stored(
    small_disk: Path, logs: Path
) -> None:
    (logs / "first.json").write_text(LOG)
    first = hauberk("scan", logs, "--home", small_disk / "home", "-q")
    assert first.returncode == 10, first.stderr
    noise = (record(f"calc {os.urandom(400).hex()}") for _ in range(8000))
    (logs / "second.json").write_text("\n".join(noise) + "\n")
    second = hauberk("scan", logs, "--home", small_disk / "home", "-q")
    assert second.returncode == 6, second.stderr
    assert "no room left on the device" in second.stderr
    report = verify(small_disk / "home")
    assert report.ok, report.faults
    assert report.counts["events"] == 3


@pytest.mark.slow
def test_pipes_locales_and_widths_change_no_exit_code_and_show_no_trace(
    logs: Path, home: Path
) -> None:
    path = logs / "log.json"
    path.write_text(LOG)
    place = ["--home", str(home)]
    first = hauberk("scan", "-", *place, input=LOG)
    assert first.returncode == 10
    assert "1 story" not in first.stderr
    reading, writing = os.pipe()
    os.close(reading)
    left = hauberk(
        "scan", path, *place, stdout=writing, stderr=subprocess.PIPE, capture_output=False
    )
    os.close(writing)
    assert left.returncode == 10
    assert left.stderr == ""
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    old = hauberk("scan", path, *place, env=plain)
    assert (old.returncode, old.stderr) == (10, "")
    width = {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "40", "NO_COLOR": "1"}
    narrow = hauberk("scan", path, *place, env=width, encoding="utf-8")
    assert narrow.returncode == 10
    assert narrow.stderr == ""
    assert "\x1b" not in narrow.stdout
    long = [line for line in narrow.stdout.splitlines() if len(line) > 40]
    assert [line for line in long if " --home " not in line] == []
    lines = hauberk("scan", path, *place, "-q", "--json", "-", env=plain).stdout.splitlines()
    assert len(lines) >= 4
    assert all(json.loads(line)["class_uid"] in {2004, 2005} for line in lines)
