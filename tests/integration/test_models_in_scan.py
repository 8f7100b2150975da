"""Models in a scan: they speak with reasons, within their limits, and their loss costs no rule."""

import json
import runpy
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from hauberk.detect.models import observed
from hauberk.events import OWN_CLASS, FindingKind
from hauberk.governance import Conditions
from hauberk.models import Rate, Stage, Task, arm, rollback, watch_canary
from hauberk.pipeline import Scan, ScanOptions, replay, scan
from hauberk.pipeline.modelled import model_judges
from hauberk.store import Home

made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("judges.py")))
opened, approved, raised = made["opened"], made["approved"], made["raised"]
mail, made_up, ordinary = made["mail"], made["made_up"], made["ordinary"]
PHISH, HAM = made["PHISH"], made["HAM"]


def mails(folder: Path, *, phish: int = 1, ham: int = 3, day: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    for at in range(phish):
        text = PHISH[at % len(PHISH)]
        (folder / f"phish-{day}-{at}.eml").write_bytes(mail(text, at, f"user{at}@example.org", day))
    for at in range(ham):
        text = HAM[at % len(HAM)]
        (folder / f"ham-{day}-{at}.eml").write_bytes(mail(text, 500 + at, day=day))
    return folder


def dns_log(path: Path) -> Path:
    """Zeek's dns.log: one host asks for names made up, another for ordinary ones."""
    start = datetime(2024, 3, 4, 12, 0, tzinfo=UTC).timestamp()
    rows = []
    for at in range(60):
        for host, name in (("10.0.0.5", made_up(at + 1000)), ("10.0.0.6", ordinary(at))):
            rows.append(
                {
                    "_path": "dns", "ts": start + at * 10, "uid": f"C{host}{at}", "id.orig_h": host,
                    "id.orig_p": 40000 + at, "id.resp_h": "10.0.0.1", "id.resp_p": 53,
                    "proto": "udp", "query": name, "qtype_name": "A", "rcode_name": "NOERROR",
                }
            )  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scanned(folder: Path, *paths: Path) -> Scan:
    return scan(ScanOptions(paths=paths, home=folder / "home"))


def stored(folder: Path) -> pl.DataFrame:
    with Home.open(folder / "home", read_only=True) as home:
        found = home.records.findings()
    return found.filter(pl.col("rule_uid").str.starts_with("model."))


def live(folder: Path, task: Task, **more: Any) -> Any:
    with (desk := opened(folder)).home:
        return raised(desk, approved(desk, task, **more), Stage.LIVE)


def test_a_live_model_flags_a_mail_with_reasons_and_its_digest(folder: Path) -> None:
    version = live(folder, Task.MAIL)
    answer = scanned(folder, mails(folder / "in"))
    assert not answer.faults
    found = stored(folder).rows(named=True)
    assert [one["kind"] for one in found] == [FindingKind.MODEL]
    assert version.artifact in found[0]["detector_version"]
    assert 0 < found[0]["surprise"] <= 0.01
    assert found[0]["entities"][0] == "mailbox:user0@example.org"
    texts = " ".join(one["text"] for one in found[0]["reasons"])
    assert "account" in texts or "password" in texts
    assert any(one["bits"] > 0 for one in found[0]["reasons"])
    assert any(found[0]["uid"] in one.findings for one in answer.incidents)
    assert replay(folder / "home", str(found[0]["uid"])).same


def test_what_a_model_did_is_counted_for_those_who_watch_it(folder: Path) -> None:
    version = live(folder, Task.MAIL)
    scanned(folder, mails(folder / "in"))
    scanned(folder, mails(folder / "more", day=11))
    with Home.open(folder / "home", read_only=True) as home:
        counted = observed(home).tallies
    own = counted.filter(pl.col("digest") == version.artifact)
    assert own["judged"].to_list() == [4, 4]
    assert own["flagged"].to_list() == [1, 1]
    assert own["errors"].sum() == 0
    assert own["estimated"].sum() == 8
    assert sum(own["p_bins"].explode()) == 8


def test_generated_names_are_told_per_host_and_hour_and_ordinary_ones_are_not(
    folder: Path,
) -> None:
    live(folder, Task.DOMAIN)
    scanned(folder, dns_log(folder / "dns.log"))
    found = stored(folder).rows(named=True)
    assert [one["entities"][0] for one in found] == ["ip:10.0.0.5"]
    assert found[0]["kind"] == FindingKind.MODEL
    assert found[0]["count"] > 50
    assert found[0]["surprise"] < 1e-3
    assert "60" in found[0]["message"]
    assert replay(folder / "home", str(found[0]["uid"])).same


def test_an_executable_is_judged_by_the_numbers_of_its_headers(folder: Path) -> None:
    live(folder, Task.EXECUTABLE)
    inside = folder / "in"
    inside.mkdir()
    (inside / "small.bin").write_bytes(executable())
    scanned(folder, inside)
    found = stored(folder).rows(named=True)
    assert [one["kind"] for one in found] == [FindingKind.MODEL]
    assert found[0]["entities"][0].startswith("hash:")
    assert any("SizeOfCode 64" in one["text"] for one in found[0]["reasons"])


def executable() -> bytes:
    """Headers alone: two sections, little code."""
    data = bytearray(600)
    data[:2], data[60] = b"MZ", 64
    data[64:68] = b"PE\0\0"
    data[70], data[84] = 2, 96
    data[88:90] = (0x10B).to_bytes(2, "little")
    data[92] = 64
    return bytes(data)


def test_an_altered_model_is_refused_aloud_and_rules_still_judge(folder: Path) -> None:
    version = live(folder, Task.MAIL)
    weights = folder / "home" / "models" / version.artifact / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    rule = folder / "rules"
    rule.mkdir()
    (rule / "mail.yml").write_text(
        "title: Mail about passwords\nid: 6f2b3c1e-0000-4000-8000-000000000001\nlevel: high\n"
        "status: test\ndescription: x\nlogsource: {product: mail, service: message}\n"
        "detection: {selection: {body|contains: password}, condition: selection}\n"
    )
    options = ScanOptions([mails(folder / "in")], folder / "home", rules=[rule])
    answer = scan(options)
    assert len(answer.faults) == 1
    assert "weights.safetensors" in answer.faults[0]
    assert "was altered" in answer.faults[0]
    assert stored(folder).is_empty()
    with Home.open(folder / "home", read_only=True) as home:
        titles = home.records.findings()["title"].to_list()
        own = [
            {"finding": row["uid"]}
            for row in home.records.findings().rows(named=True)
            if row["detector"] == "sigma" and row["title"] != "Mail about passwords"
        ]
        loads = home.lake.scan(OWN_CLASS, ["api.operation", "model.check"]).collect()
    assert "Mail about passwords" in titles
    assert any(one["finding"] for one in own), "no rule of our own saw the refusal"
    refused = loads.filter(pl.col("api.operation") == "load")
    assert refused["model.check"].to_list() == ["files"]


def test_a_ledger_that_was_altered_costs_the_models_and_not_the_scan(folder: Path) -> None:
    live(folder, Task.MAIL)
    with sqlite3.connect(folder / "home" / "records.sqlite3") as database:
        changed = database.execute(
            "UPDATE ledger_entries"
            " SET entry = CAST(replace(entry, 'tiny-mail', 'tidy-mail') AS BLOB)"
        )
        assert changed.rowcount > 0
    answer = scanned(folder, mails(folder / "in"))
    assert answer.faults
    assert answer.accounting.events == 4
    assert stored(folder).is_empty()


def test_after_a_rollback_the_version_before_judges(folder: Path) -> None:
    first = live(folder, Task.MAIL)
    with (desk := opened(folder)).home:
        second = raised(desk, approved(desk, Task.MAIL, "2.0.0"), Stage.CANARY)
        rates = dict.fromkeys(("error", "flagged", "slow"), Rate(0, 5000))
        watch_canary(desk.home, Task.MAIL, rates, rates)
        raised(desk, second, Stage.LIVE)
    scanned(folder, mails(folder / "in"))
    assert stored(folder)["detector_version"].str.ends_with(second.artifact).all()
    with (desk := opened(folder)).home:
        back = rollback(desk.home, Task.MAIL, reason="too loud")
        assert back is not None
        assert back.artifact == first.artifact
    answer = scanned(folder, mails(folder / "more", day=11))
    assert not answer.faults
    assert stored(folder)["detector_version"].str.ends_with(first.artifact).sum() == 1


def test_a_shadow_is_recorded_and_is_part_of_no_incident(folder: Path) -> None:
    with (desk := opened(folder)).home:
        raised(desk, approved(desk, Task.MAIL), Stage.SHADOW)
    answer = scanned(folder, mails(folder / "in"))
    found = stored(folder).rows(named=True)
    assert [one["kind"] for one in found] == [FindingKind.SUPPRESSED]
    assert "as a shadow" in found[0]["reasons"][-1]["text"]
    assert not answer.incidents


def test_a_model_that_may_only_observe_is_recorded_and_not_told(folder: Path) -> None:
    live(folder, Task.MAIL, conditions=Conditions(observe_only=True))
    answer = scanned(folder, mails(folder / "in"))
    assert stored(folder)["kind"].to_list() == [FindingKind.SUPPRESSED]
    assert not answer.incidents


def test_the_daily_limit_holds_over_scans_and_the_most_surprising_stand(folder: Path) -> None:
    live(folder, Task.MAIL, conditions=Conditions(max_findings_per_day=3))
    scanned(folder, mails(folder / "in", phish=2))
    assert stored(folder)["kind"].to_list() == [FindingKind.MODEL] * 2
    more = folder / "more"
    more.mkdir()
    for at in range(4):
        (more / f"{at}.eml").write_bytes(mail(PHISH[at], 900 + at, f"other{at}@example.org"))
    scanned(folder, more)
    kinds = stored(folder)["kind"].value_counts().rows()
    assert dict(kinds) == {FindingKind.MODEL: 3, FindingKind.SUPPRESSED: 3}


def test_a_canary_judges_those_whose_hash_falls_in_and_the_live_model_the_rest(
    folder: Path,
) -> None:
    first = live(folder, Task.MAIL)
    with (desk := opened(folder)).home:
        desk.clock.pass_by(minutes=1)
        second = raised(desk, approved(desk, Task.MAIL, "2.0.0"), Stage.CANARY, share=0.5)
        share, salt = second.moves[-1].share, second.moves[-1].salt
    scanned(folder, mails(folder / "in", phish=40, ham=0))
    found = stored(folder)
    assert found.height == 40
    boxes = found["entities"].list.first().str.strip_prefix("mailbox:")
    chosen = arm(boxes, share, salt)
    by_canary = found["detector_version"].str.ends_with(second.artifact)
    assert by_canary.to_list() == chosen.to_list()
    assert 0 < by_canary.sum() < 40
    assert found["detector_version"].str.ends_with(first.artifact).sum() == 40 - by_canary.sum()


def test_a_home_without_models_builds_no_detector_and_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from hauberk.pipeline import ScanOptions, scan\n"
        f"answer = scan(ScanOptions([Path({str(mails(tmp_path / 'in'))!r})],"
        f" Path({str(tmp_path / 'home')!r})))\n"
        "assert answer.accounting.events == 4\n"
        "assert not any(one.startswith('model-') for one in answer.detectors)\n"
        "assert 'hauberk.models' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Home.open(tmp_path / "home") as home:
        assert model_judges(home).behaviour == ()
