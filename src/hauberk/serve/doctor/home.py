"""Checks of the home: settings, permissions, keys, databases, ledger, and who holds it."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.serve.planning import plan_of
from hauberk.serve.running import Process, started_of
from hauberk.store import Home, load_settings, verify

from .interface import Diagnosis, Examined, fault, fine, unknown, warning

_SHOWN = 3


def settings(examined: Examined) -> Iterator[Diagnosis]:
    """Whether hauberk.toml says what can be done, and to whom."""
    try:
        plan = plan_of(examined.path)
        found = load_settings(examined.path)
    except HauberkError as error:
        yield fault(
            "settings", str(error), "`hauberk up` does not start with them",
            error.hint or "Correct that line",
        )  # fmt: skip
        return
    if found.exposed:
        yield warning(
            "settings", f"others than its owner may read {found.path}",
            "secrets in it are no secrets", f"chmod 600 {found.path}",
        )  # fmt: skip
    elif not found.present:
        yield fine("settings", "none: `hauberk up --init` writes a commented file")
    else:
        yield fine(
            "settings", f"{found.path.name}: {len(plan.paths)} paths, {plan.sources} sources"
        )


def readable(examined: Examined) -> Iterator[Diagnosis]:
    """Whether the home can be opened, and its records are of this version."""
    if examined.home is not None:
        last = examined.home.records.last_commit()
        yield fine("home", f"{examined.path}, {last:,} commit{'s' * (last != 1)}")
        return
    if not examined.path.exists():
        yield warning(
            "home", f"there is no {examined.path}", "nothing was scanned or watched here yet",
            "Run `hauberk up`, or name another with --home",
        )  # fmt: skip
        return
    try:
        Home.open(examined.path, read_only=True).close()
    except HauberkError as error:
        yield fault("home", error.what, "nothing here can be read", error.hint or "See above")


def modes(examined: Examined) -> Iterator[Diagnosis]:
    """Whether others than the owner may read what is private."""
    if os.name != "posix" or not examined.path.is_dir():
        return
    private = [examined.path, examined.path / "keys", examined.path / "console"]
    private += (examined.path / "keys").glob("*")
    private += (examined.path / "console").glob("*.key")
    private += examined.path.glob("*.sqlite3")
    open_to = [one for one in private if one.exists() and one.stat().st_mode & 0o077]
    public = [one for one in open_to if one.suffix == ".pub"]
    wrong = [one for one in open_to if one not in public]
    if not wrong:
        yield fine("permissions", f"{len(private)} private files and folders are their owner's")
        return
    named = ", ".join(str(one.relative_to(examined.path.parent)) for one in wrong[:_SHOWN])
    yield fault(
        "permissions", f"others may read {named}", "who reads a key can sign or decrypt with it",
        f"chmod -R go-rwx {examined.path}",
    )  # fmt: skip


def database(examined: Examined) -> Iterator[Diagnosis]:
    """Whether the databases' pages are sound (SQLite)."""
    if not examined.deep:
        return
    for path in sorted(examined.path.glob("*.sqlite3")):
        try:
            with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as connection:
                said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            said = str(error)
        if said == "ok":
            yield fine(f"database {path.stem}", "its pages are sound")
        else:
            yield fault(
                f"database {path.stem}", str(said)[:200], "what it holds may be lost",
                "Restore the home from a backup",
            )  # fmt: skip


def ledger(examined: Examined) -> Iterator[Diagnosis]:
    """The newest checkpoint against the entries; the whole home where that is asked for."""
    if examined.home is None:
        return
    if not (examined.path / "keys" / "ledger.pem").exists():
        yield fault(
            "ledger key", "keys/ledger.pem is missing", "the home can be read and not written",
            "Put it back; a backup that was made --with-keys has it",
        )  # fmt: skip
    if examined.deep:
        report = verify(examined.path)
        if report.ok:
            yield fine("ledger", f"the whole home is as committed ({report.counts['files']} files)")
        else:
            yield fault(
                "ledger", f"{len(report.faults)} faults, the first: {report.faults[0]}",
                "somebody or something changed what was committed", "`hauberk verify` names all",
            )  # fmt: skip
        return
    size = examined.home.ledger.size
    try:
        note = examined.home.ledger.checkpoint() or ""
        signed = int(note.splitlines()[1]) if note else 0
    except (ValueError, IndexError):
        signed = -1
    if signed == size:
        yield fine("ledger", f"{size:,} entries, all under the newest checkpoint")
    else:
        yield fault(
            "ledger", f"{size:,} entries, {signed:,} under the newest checkpoint",
            "entries were added or taken away without a signature", "`hauberk verify` names all",
        )  # fmt: skip


def holders(examined: Examined) -> Iterator[Diagnosis]:
    """Who runs this home and who writes it."""
    status = examined.status
    if status.holder is not None:
        stale = " and does not answer" if status.stale else ""
        said = f"process {status.holder.pid} since {status.holder.since}{stale}"
        if status.stale:
            yield fault(
                "supervisor", said, "nobody starts again what dies",
                "`hauberk down`, then `hauberk up`",
            )  # fmt: skip
        elif not status.healthy:
            bad = [f"{one.name} is {one.state}" for one in status.parts if one.state != "up"]
            why = [one.last_words[-1] for one in status.parts if one.last_words]
            yield fault(
                "supervisor", f"{said}; {', '.join(bad)}", "; ".join(why) or "not all parts are up",
                f"Read {examined.path}/run/PART.log",
            )  # fmt: skip
        else:
            yield fine("supervisor", said)
    else:
        left = [one.name for one in status.parts if Process(one.pid or 0, one.started or "").alive]
        if left:
            yield warning(
                "supervisor", f"none, but {', '.join(left)} still run",
                "their supervisor was killed and they are ending", "`hauberk down` ends them",
            )  # fmt: skip
        else:
            yield fine("supervisor", "nothing is up")
    yield from _owner(examined.path)


def _owner(path: Path) -> Iterator[Diagnosis]:
    try:
        pid = int((path / "owner").read_text("utf-8"))
    except (OSError, ValueError):
        yield fine("writer", "nobody writes the home now")
        return
    if Path("/proc").is_dir() and not started_of(pid):
        yield warning(
            "writer", f"process {pid} wrote it and is gone", "it was killed; nothing is lost",
            "Nothing: the next one to write takes away what it left",
        )  # fmt: skip
    else:
        yield fine("writer", f"process {pid}")


def rules(examined: Examined) -> Iterator[Diagnosis]:
    """Rule files of the user that do not compile."""
    from hauberk.pipeline import known_rules  # noqa: PLC0415  # it takes a second

    more = examined.plan.rules if examined.plan else ()
    try:
        found = known_rules(examined.path, more)
    except HauberkError as error:
        yield fault("rules", str(error), "a watch does not start", error.hint or "Correct it")
        return
    if not found.refusals:
        yield fine("rules", f"{len(found.rules):,}, all compile")
        return
    first = found.refusals[0]
    yield warning(
        "rules", f"{len(found.refusals):,} of {len(found.rules) + len(found.refusals):,} do not"
        f" compile, the first {first.path}: {first.reason[:200]}",
        "they see nothing", "`hauberk rules check` names all",
    )  # fmt: skip


def nothing_known(name: str, error: Exception) -> Diagnosis:
    """A check that failed itself."""
    return unknown(name, f"it could not be looked at: {type(error).__name__}: {str(error)[:200]}")
