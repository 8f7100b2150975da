"""Times of the console's pages in a home with very many findings.

    python -m benchmarks.console [--findings 1000000] [--incidents 20000] [--rounds 20]

Makes the home (kept with --home DIR, and used again if it is there), signs somebody with every role
in, and asks for one page of each kind that links lead to, as a browser would. Prints processor and
wall time of each, as rows for docs/console.md. Each file of findings spans all days and all uids:
the worst case, since no file can be passed over.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from starlette.testclient import TestClient

from hauberk.console import Console, application, totp
from hauberk.console.passwords import Cost
from hauberk.console.permissions import Role
from hauberk.events import FINDING_SCHEMA, EventClass, finding_uid
from hauberk.pipeline import known_rules, stored_incident
from hauberk.store import BatchEntry, Commit, Home
from hauberk.triage import Incident, Link, Reason

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
COMMITS = 50
HOSTS = 2000
PASSWORD = "no secret: it guards made-up data"  # noqa: S105

QUESTION = "SELECT title, count(*) AS n FROM findings GROUP BY ALL ORDER BY n DESC LIMIT 20"


def main() -> None:
    """Make or find the home, and measure."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--home", type=Path)
    asked.add_argument("--findings", type=int, default=1_000_000)
    asked.add_argument("--incidents", type=int, default=20_000)
    asked.add_argument("--rounds", type=int, default=20)
    given = asked.parse_args()
    path = given.home or Path(tempfile.mkdtemp(prefix="hauberk-console-")) / "home"
    if not (path / "records.sqlite3").exists():
        began = time.perf_counter()
        make(path, given.findings, given.incidents)
        print(f"made {path} in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    measure(path, given.rounds)


def make(path: Path, findings: int, incidents: int) -> None:
    """A home of `findings` in `incidents`, over DAYS days, in COMMITS commits."""
    rules = [(one.uid, one.title) for one in known_rules(path).rules[:400]]
    per = findings // COMMITS
    with Home.open(path) as home:
        for number in range(COMMITS):
            stories = [
                stored_incident(_incident(one, findings // incidents, incidents, rules))
                for one in range(number, incidents, COMMITS)
            ]
            home.commit(
                Commit(
                    batches=[_batch(number, per)],
                    tables={EventClass.PROCESS_ACTIVITY: _events(number, per)},
                    findings=_findings(number, per, rules),
                    incidents=stories,
                )
            )


def _uid(number: int) -> str:
    """Uids are digests, so each file's span all that there are."""
    return finding_uid("sigma", str(number))


def _time(number: int) -> datetime:
    return START + timedelta(seconds=number % (DAYS * 86400))


def _batch(number: int, count: int) -> BatchEntry:
    return BatchEntry(
        batch_id=f"b{number:04}", source=f"logs/{number}.json", start=0, length=count * 100,
        sha256="ab" * 32, first_record=f"first-{number}", format="windows-json",
        format_version="1", records=count, events=count, aggregated=0, rejected=0, head=b"",
        modified=START,
    )  # fmt: skip


def _steps(number: int, count: int) -> pl.Series:
    """Seconds since START of the rows of a commit: spread over all days, the same each time."""
    drawn = np.random.default_rng(number).integers(0, DAYS * 86400, count)
    return pl.Series(np.sort(drawn))


def _events(number: int, count: int) -> pl.DataFrame:
    at = pl.lit(START) + pl.duration(seconds=pl.col("step"))
    row = pl.int_range(pl.len())
    return pl.DataFrame({"step": _steps(number, count)}).select(
        at.cast(pl.Datetime("us", "UTC")).alias("time"),
        pl.format("b{}:{}", pl.lit(f"{number:04}"), row).alias("metadata.uid"),
        pl.format("record {}", row).cast(pl.Binary).alias("raw_data"),
        pl.lit(f"b{number:04}").alias("record.batch"),
        pl.format("ws{}.corp.example", row % HOSTS).alias("device.hostname"),
        pl.lit("vssadmin.exe").alias("process.name"),
    )


def _findings(number: int, count: int, rules: list[tuple[str, str]]) -> pl.DataFrame:
    """Findings `number * count` and on: each on one event, of the host that its incident is on."""
    at = (pl.lit(START) + pl.duration(seconds=pl.col("step"))).cast(pl.Datetime("us", "UTC"))
    row = pl.int_range(pl.len())
    frame = pl.DataFrame(
        {
            "step": _steps(number, count),
            "uid": [_uid(number * count + one) for one in range(count)],
            "rule": [rules[one % len(rules)] for one in range(count)],
        },
        schema_overrides={"rule": pl.List(pl.String)},
    )
    host = pl.format("host:ws{}.corp.example", row % HOSTS)
    reason = pl.struct(
        pl.lit("A rule says so").alias("text"), pl.lit("1").alias("value"),
        pl.lit(3.5).alias("bits"),
    )  # fmt: skip
    made = frame.select(
        "uid",
        at.alias("time"),
        at.alias("end_time"),
        pl.lit("sigma").alias("detector"),
        pl.lit("1").alias("detector_version"),
        pl.lit("rule").alias("kind"),
        pl.col("rule").list.first().alias("rule_uid"),
        pl.col("rule").list.last().alias("title"),
        pl.format("vssadmin.exe ran on ws{}", row % HOSTS).alias("message"),
        pl.lit(4, pl.Int32).alias("severity_id"),
        pl.concat_list(pl.lit("T1490")).alias("techniques"),
        pl.concat_list(host, pl.lit("user:corp\\jlee")).alias("entities"),
        pl.concat_list(pl.format("b{}:{}", pl.lit(f"{number:04}"), row)).alias("evidence"),
        pl.lit(1, pl.Int64).alias("count"),
        pl.lit(0.001).alias("surprise"),
        pl.concat_list(reason).alias("reasons"),
    )
    return made.select(FINDING_SCHEMA.names()).cast(dict(FINDING_SCHEMA.items()))


def _incident(number: int, size: int, incidents: int, rules: list[tuple[str, str]]) -> Incident:
    """An incident of every `incidents`-th finding: they lie in all commits and on all days."""
    findings = [_uid(number + one * incidents) for one in range(size)]
    host = f"host:ws{number % HOSTS}.corp.example"
    names = [host, f"user:corp\\user{number % 997}", f"address:10.0.{number % 251}.7"]
    return Incident(
        uid=f"{number:016x}",
        title=f"Shadow copies deleted on ws{number % HOSTS}",
        probability=(number % 1000) / 1000,
        prior_bits=-12.0,
        tactic_bits=2.0,
        start=START,
        end=_time(DAYS * 86400 - 1),
        entities=names,
        techniques=["T1490", "T1059"],
        tactics=["execution", "impact"],
        findings=findings,
        event_count=size,
        reasons=[Reason("A rule says so", one, 3.5) for one in findings],
        links=[Link(names[0], one, size) for one in names[1:]],
        narrative="Somebody deleted the shadow copies. " * 8,
        above_budget=number % 20 == 0,
        severity_id=4,
        analytics=[rules[(number + one) % len(rules)][1] for one in range(4)],
    )


def measure(path: Path, rounds: int) -> None:
    """Print a row for each kind of page."""
    console = Console.of(path, cost=Cost(1, 8, 1))
    began, began_cpu = time.perf_counter(), time.process_time()
    console.reading.look()
    took = time.perf_counter() - began, time.process_time() - began_cpu
    print(f"index: {took[1]:.1f} s of processor, {took[0]:.1f} s", file=sys.stderr)
    browser = TestClient(
        application(console, ["localhost"]), base_url="https://localhost", follow_redirects=False
    )
    _sign_in(console, browser)
    print("| page | processor, median | processor, 95 % | wall, 95 % |\n|---|---|---|---|")
    _row("the first incident since the start", [_timed(browser, f"/incidents/{0:016x}")])
    others = [f"/incidents/{one:016x}" for one in range(1, rounds + 1)]
    _row("an incident, another each time", [_timed(browser, one) for one in others])
    for address in _addresses(browser):
        _row(address, [_timed(browser, address) for _ in range(rounds)])
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/account").text)
    form = {"csrf": token[1] if token else "", "sql": QUESTION}
    _row("POST /hunt", [_timed(browser, "/hunt", form) for _ in range(min(rounds, 5))])
    console.database.close()


def _sign_in(console: Console, browser: TestClient) -> None:
    now = datetime.now(UTC)
    name = f"bench-{now:%H%M%S}"
    token = console.accounts.invite(name, list(Role), "bench", now)
    secret = console.accounts.invitation(token, now).secret
    step = totp.step_of(now)
    first, second = totp.code_at(secret, step), totp.code_at(secret, step + 1)
    console.accounts.accept(token, "", PASSWORD, PASSWORD, first, (), now)
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
    form = {"name": name, "password": PASSWORD, "code": second, "csrf": found[1] if found else ""}
    answer = browser.post("/sign-in", data=form, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303, answer.text


def _addresses(browser: TestClient) -> Iterator[str]:
    """One page of each kind that links lead to, from the account's page on."""
    waiting, seen = ["/account", "/?text=ws77", "/?state=all&below=1&page=9"], set[str]()
    while waiting:
        address = waiting.pop(0)
        shape = re.sub(r"/[^/]*\d[^/]*|/[^/]{24,}", "/*", address.partition("?")[0])
        if shape in seen and address not in ("/?text=ws77", "/?state=all&below=1&page=9"):
            continue
        seen.add(shape)
        answer = browser.get(address)
        if answer.status_code == 200 and not address.startswith("/static/"):
            yield address
            waiting += re.findall(r'href="(/[^"#]*)"', answer.text.replace("&amp;", "&"))


def _timed(
    browser: TestClient, address: str, form: dict[str, str] | None = None
) -> tuple[float, float]:
    """Milliseconds of processor (all threads) and of the wall."""
    wall, cpu = time.perf_counter(), time.process_time()
    if form is None:
        answer = browser.get(address)
    else:
        answer = browser.post(address, data=form, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 200, (address, answer.text[:2000])
    return (time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000


def _row(name: str, times: list[tuple[float, float]]) -> None:
    cpu, wall = ([one[part] for one in times] for part in (0, 1))
    high = [sorted(one)[min(len(one) - 1, int(len(one) * 0.95))] for one in (cpu, wall)]
    print(f"| {name} | {statistics.median(cpu):.0f} ms | {high[0]:.0f} ms | {high[1]:.0f} ms |")


if __name__ == "__main__":
    main()
