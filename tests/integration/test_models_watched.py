"""Each rule over models' own doings finds what really happened, through scans and acts."""

import json
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hauberk.detect.models import observed
from hauberk.errors import HauberkError
from hauberk.events import OWN_CLASS
from hauberk.governance import Conditions
from hauberk.models import (
    Judging,
    Rate,
    Stage,
    Task,
    promote,
    read_artifact,
    read_registry,
    register,
    watch_canary,
)
from hauberk.models.watching import VERDICT, read_verdicts
from hauberk.pipeline import ScanOptions, judge_own, scan
from hauberk.store import Commit, Home

made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("judges.py")))
opened, approved, raised = made["opened"], made["approved"], made["raised"]
START = datetime(2024, 3, 4, 12, 0, tzinfo=UTC).timestamp()


def live(folder: Path, task: Task, **more: Any) -> Any:
    with (desk := opened(folder)).home:
        return raised(desk, approved(desk, task, **more), Stage.LIVE)


def titles(folder: Path) -> set[str]:
    """What Hauberk's own rules said in this home."""
    with Home.open(folder / "home", read_only=True) as home:
        return set(home.records.findings().filter(pl.col("detector") == "sigma")["title"])


def told(folder: Path, metric: str) -> pl.DataFrame:
    """The events of a measure, with the model that they are about."""
    names = ["status_id", "model.metric", "model.value", "ai_model.uid", "ai_model.name", "message"]
    with Home.open(folder / "home", read_only=True) as home:
        return home.lake.scan(OWN_CLASS, names).filter(pl.col("model.metric") == metric).collect()


def dns_log(path: Path, names: list[str], host: str) -> Path:
    rows = (
        {
            "_path": "dns", "ts": START + at, "uid": f"C{host}{at}", "id.orig_h": host,
            "id.orig_p": 40000, "id.resp_h": "10.0.0.1", "id.resp_p": 53, "proto": "udp",
            "query": name, "qtype_name": "A", "rcode_name": "NOERROR",
        }
        for at, name in enumerate(names)
    )  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def variants(base: str, size: int) -> list[str]:
    chance = np.random.default_rng(11)
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789")
    found = []
    for _ in range(size):
        name = list(base)
        for at in chance.integers(0, len(name), 2):
            name[at] = str(chance.choice(letters))
        found.append("".join(name) + ".com")
    return list(dict.fromkeys(found))


def test_a_scan_of_what_a_model_never_saw_is_told_as_drift_and_asks_for_retraining(
    folder: Path,
) -> None:
    version = live(folder, Task.DOMAIN)
    names = [made["made_up"](at) for at in range(400)]
    scan(ScanOptions([dns_log(folder / "dns.log", names, "10.0.0.5")], folder / "home"))
    assert "Model Drifted" in titles(folder)
    moved = told(folder, "output_ks")
    assert moved["ai_model.uid"].to_list() == [version.artifact]
    assert moved["ai_model.name"].to_list() == ["tiny-domain"]
    with Home.open(folder / "home", read_only=True) as home:
        assert len(read_registry(home).retraining) == 1


def test_a_calm_scan_measures_and_finds_nothing_and_the_next_one_does_not_say_it_again(
    folder: Path,
) -> None:
    live(folder, Task.DOMAIN)
    log = dns_log(folder / "dns.log", [made["made_up"](at) for at in range(400)], "10.0.0.5")
    for _ in range(3):
        scan(ScanOptions([log], folder / "home"))
    assert told(folder, "output_ks").height == 1
    assert told(folder, "latency_ms_p99")["status_id"].to_list() == [1]
    assert told(folder, "error_rate")["model.value"].to_list() == [0.0]


def test_a_search_for_a_way_around_the_threshold_is_told_with_who_searched(folder: Path) -> None:
    version = live(folder, Task.DOMAIN)
    with Home.open(folder / "home", read_only=True) as home:
        artifact = home.path / "models" / version.artifact
    judging = Judging(read_artifact(artifact))

    def flagged(base: str) -> float:
        scores = judging.raw(variants(base, 60))
        return float((scores >= judging.model.thresholds["alert"]).mean())

    bases = [
        made["ordinary"](at)[:cut] + made["made_up"](at)[: 14 - cut]
        for at in range(8) for cut in range(3, 14)
    ]  # fmt: skip
    base = min(bases, key=lambda one: abs(flagged(one) - 0.5))
    assert 0.15 < flagged(base) < 0.85
    log = dns_log(folder / "dns.log", variants(base, 400), "10.0.0.9")
    scan(ScanOptions([log], folder / "home"))
    with Home.open(folder / "home", read_only=True) as home:
        asked = observed(home).queries
    assert asked["client"].to_list() == ["ip:10.0.0.9"]
    assert "Model Queried as for an Extraction" in titles(folder)
    assert "10.0.0.9" in told(folder, "near_identical_queries")["message"][0]


def test_most_verdicts_by_one_person_are_told(folder: Path) -> None:
    live(folder, Task.DOMAIN)
    now = datetime.now(UTC).isoformat()
    acts = [
        {"type": "console.verdict", "act": f"{at:024x}", "by": "eve" if at % 5 else "ana",
         "at": now, "incident": f"i{at}", "verdict": "false positive", "verdict_id": "1",
         "reason": "noise", "previous": ""}
        for at in range(150)
    ]  # fmt: skip
    with Home.open(folder / "home") as home:
        home.commit(Commit(entries=acts))
    log = dns_log(folder / "dns.log", [made["ordinary"](at) for at in range(20)], "10.0.0.5")
    scan(ScanOptions([log], folder / "home"))
    assert "Labels Flooded by One Person" in titles(folder)
    assert told(folder, "labels_by_one_person")["message"][0].startswith("eve gave 120 of 150")


def test_findings_withheld_in_mass_are_told(folder: Path) -> None:
    live(folder, Task.DOMAIN, conditions=Conditions(max_findings_per_day=1))
    names = [made["made_up"](at) for at in range(400)]
    logs = [
        dns_log(folder / f"dns-{host}.log", names[host * 8 : host * 8 + 8], f"10.0.1.{host}")
        for host in range(50)
    ]
    scan(ScanOptions(logs, folder / "home"))
    assert told(folder, "silenced_share").height == 1
    assert "Findings of a Model Suppressed in Mass" in titles(folder)


def test_acts_of_persons_are_told_when_they_are_out_of_place(folder: Path) -> None:
    with (desk := opened(folder)).home:
        raised(desk, approved(desk, Task.MAIL), Stage.LIVE)
        second = raised(desk, approved(desk, Task.MAIL, "2.0.0", alert=0.9), Stage.CANARY)
        rates = dict.fromkeys(("error", "flagged", "slow"), Rate(0, 5000))
        watch_canary(desk.home, Task.MAIL, rates, rates)
        raised(desk, second, Stage.LIVE)
        judge_own(desk.home)
    assert {"Threshold of a Live Model Moved", "Trust in Models Changed"} <= titles(folder)


def test_an_unsigned_model_and_a_promotion_at_night_are_told(folder: Path) -> None:
    with (desk := opened(folder)).home:
        loose = made["artifact"](folder / "loose", Task.DOMAIN)
        register(desk.home, loose.folder, desk.keys["ada"])
        with pytest.raises(HauberkError, match="it is not signed"):
            promote(desk.home, desk.keys["sam"], desk.version(loose.digest))
        judge_own(desk.home)
    assert "Unsigned or Altered Model Refused" in titles(folder)
    assert "Promotion of a Model Outside of Hours" not in titles(folder)
    with (desk := opened(folder)).home:
        version = approved(desk, Task.MAIL)
        desk.clock.pass_by(hours=12)
        with pytest.raises(HauberkError):
            promote(desk.home, desk.keys["sam"], version)
        judge_own(desk.home)
    assert "Promotion of a Model Outside of Hours" in titles(folder)


def test_the_last_verdict_on_an_incident_says_whether_its_models_were_right(folder: Path) -> None:
    version = live(folder, Task.MAIL)
    inside = folder / "in"
    inside.mkdir()
    for at, text in enumerate(made["PHISH"]):
        (inside / f"{at}.eml").write_bytes(made["mail"](text, at, f"user{at}@example.org"))
    found = scan(ScanOptions([inside], folder / "home")).incidents
    uid = next(one.uid for one in found if one.findings)
    now = datetime.now(UTC)

    def said(verdict_id: str) -> dict[str, object]:
        return {
            "type": VERDICT, "act": f"{verdict_id:>024}", "by": "ana", "at": now.isoformat(),
            "incident": uid, "verdict_id": verdict_id,
        }  # fmt: skip

    with Home.open(folder / "home") as home:
        home.commit(Commit(entries=[said("1"), {**said("2"), "incident": "of another home"}]))
        wrong = read_verdicts(home, home.proven_entries([VERDICT]), now)
        home.commit(Commit(entries=[said("2")]))
        right = read_verdicts(home, home.proven_entries([VERDICT]), now)
        home.commit(Commit(entries=[said("10")]))
        neither = read_verdicts(home, home.proven_entries([VERDICT]), now)
    assert set(wrong.of_models[version.artifact]) == {False}
    assert set(right.of_models[version.artifact]) == {True}
    assert neither.of_models == {}
    assert neither.persons == ("ana",) * 4
