"""Checks of what flows: spool, dead letters, sources, acts; and of how browsers come in."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from cryptography import x509
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from hauberk.errors import HauberkError, UsageError
from hauberk.reports.outputs import letters_path, read_outputs, statuses
from hauberk.serve.interface import State
from hauberk.serve.parts import check_free
from hauberk.store import schema_of

from .interface import Diagnosis, Examined, fault, fine, unknown, warning

BACKLOG, MANY_WAIT = 256 << 20, 1000
DEAD_SHARE = 0.02
SOON = timedelta(days=14)
_CONSOLE, _ACTS = "console", "acts"
_WAITING = "SELECT count(*) FROM acts WHERE entered IS NULL"


def spool(examined: Examined) -> Iterator[Diagnosis]:
    """What came over the network and is not stored yet."""
    folder = examined.path / "spool"
    if not folder.is_dir():
        return
    sizes = [one.stat().st_size for one in folder.rglob("*.log") if one.is_file()]
    said = f"{len(sizes):,} files, {sum(sizes) / 1e6:,.1f} MB"
    watching = any(one.name == "watch" and one.pid for one in examined.status.parts)
    if sum(sizes) > BACKLOG:
        yield warning(
            "spool", said, "records come faster than they are stored, or nobody stores them",
            "See how far behind the watch is: `hauberk status`" if watching else "`hauberk up`",
        )  # fmt: skip
    else:
        yield fine("spool", said)


def dead_letters(examined: Examined) -> Iterator[Diagnosis]:
    """The share of records that could not be read, and why."""
    home = examined.home
    if home is None:
        return
    accounting = home.records.accounting()
    records, rejected = (
        sum(one.records for one in accounting), sum(one.rejected for one in accounting)
    )  # fmt: skip
    if not rejected:
        yield fine("dead letters", f"none of {records:,} records")
        return
    reasons = (
        home.records.dead_letters().group_by("reason").agg(pl.len().alias("n"))
        .sort("n", "reason", descending=[True, False]).head(3).collect(engine="streaming")
    )  # fmt: skip
    why = "; ".join(f"{n:,} × {reason[:100]}" for reason, n in reasons.iter_rows())
    said = f"{rejected:,} of {records:,} records ({rejected / max(1, records):.1%}): {why}"
    if rejected > DEAD_SHARE * records:
        yield warning(
            "dead letters", said, "what could not be read is judged by nothing",
            "See the console's health page; tell the source's format, or have it mended",
        )  # fmt: skip
    else:
        yield fine("dead letters", said)


def sources(examined: Examined) -> Iterator[Diagnosis]:
    """Sources that breach their contracts now."""
    report = next((one.report for one in examined.status.parts if one.name == "watch"), None)
    if examined.status.holder is None or not report or not report.get("sources"):
        return
    told = [one for one in report["sources"] if one.get("breaches")]
    if not told:
        yield fine("sources", f"all {len(report['sources'])} keep their contracts")
    for one in told:
        breaches = ", ".join(map(str, one["breaches"]))
        yield warning(
            f"source {one.get('name')}", f"{breaches}; silent for {one.get('silent', 0):,.0f} s",
            "its sender may have failed, or been stopped so that what follows is not seen",
            f"Look at the sender; this listens at {one.get('where')}",
        )  # fmt: skip


def outputs(examined: Examined) -> Iterator[Diagnosis]:
    """Outputs that are held back, and messages that a receiver refused for good."""
    if examined.home is None or examined.plan is None:
        return
    try:
        found = read_outputs(examined.plan.settings)
    except HauberkError as error:
        yield fault("outputs", str(error), "nothing is told to anybody", error.hint or "See above")
        return
    for one in statuses(examined.path, found, examined.home.records.last_commit()):
        check, letters = f"output {one.name}", letters_path(examined.path, one.name)
        said = f"{one.sent:,} sent, {one.refused:,} refused"
        if one.fault:
            yield warning(
                check, f"{said}; since {one.since}: {one.fault}", "what comes waits; none is lost",
                "`hauberk outputs check` reaches it",
            )  # fmt: skip
        elif one.refused and letters.exists():
            yield warning(
                check, f"{said}, the newest for {one.refusal or 'a reason that is kept there'}",
                "what was refused is not with the receiver, and is not sent again",
                f"Read {letters}, mend what takes it, then remove the file",
            )  # fmt: skip
        else:
            yield fine(check, said if one.started else "not started yet")


def acts(examined: Examined) -> Iterator[Diagnosis]:
    """Acts of the console that are not in the ledger yet, wherever its database is."""
    try:
        waiting = _waiting_acts(examined.path)
    except (sqlite3.Error, SQLAlchemyError, HauberkError) as error:
        said = error.what if isinstance(error, HauberkError) else str(error)
        yield unknown("acts", f"the console's database does not say: {said}")
        return
    if waiting is None:
        return
    if waiting > MANY_WAIT:
        yield warning(
            "acts", f"{waiting:,} wait for the ledger", "nobody who writes the home takes them",
            "`hauberk up`",
        )  # fmt: skip
    else:
        yield fine("acts", f"{waiting:,} wait for the ledger")


def _waiting_acts(path: Path) -> int | None:
    """How many; None where there is no console."""
    schema = schema_of(path, _CONSOLE)
    if schema is not None:
        engine = schema.reading_engine()
        try:
            with engine.connect() as connection:
                if not inspect(connection).has_table(_ACTS):
                    return None
                return int(connection.execute(text(_WAITING)).scalar_one())
        finally:
            engine.dispose()
    file = path / "console.sqlite3"
    if not file.is_file():
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
        return int(opened.execute(_WAITING).fetchone()[0])


def port(examined: Examined) -> Iterator[Diagnosis]:
    """Whether the console's address is free, or its own."""
    plan = examined.plan
    if plan is None or not plan.console:
        return
    ours = any(
        one.name == "console" and one.state is State.UP for one in examined.status.parts
    ) and examined.status.holder is not None  # fmt: skip
    where = f"{plan.listen[0]}:{plan.listen[1]}"
    if ours:
        report = next(one.report for one in examined.status.parts if one.name == "console") or {}
        yield fine("port", f"the console answers at {report.get('address', where)}")
        return
    try:
        check_free(plan)
    except UsageError as error:
        yield fault("port", error.what, "`hauberk up` does not start", error.hint or "")
    else:
        yield fine("port", f"{where} is free")


def certificate(examined: Examined) -> Iterator[Diagnosis]:
    """How long the console's certificates last, and for which names."""
    for name in ("ca", "server"):
        path = examined.path / "console" / f"{name}.pem"
        if path.is_file():
            yield _lasts(name, path, examined.now)


def _lasts(name: str, path: Path, now: datetime) -> Diagnosis:
    check = f"certificate {name}"
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())[0]
        names: list[str] = []
        if name == "server":
            kind = x509.SubjectAlternativeName
            names = [str(one.value) for one in found.extensions.get_extension_for_class(kind).value]
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        return fault(
            check, str(error), "the console cannot start", f"Remove {path}: it is made anew"
        )
    end = found.not_valid_after_utc
    said = f"until {end.astimezone(UTC):%Y-%m-%d}" + (f" for {', '.join(names)}" if names else "")
    if end < now:
        return fault(check, said, "browsers refuse it", "Start the console again: it makes another")
    if end < now + SOON:
        return warning(check, said, "it ends soon", "Start the console again: it makes another")
    return fine(check, said)
