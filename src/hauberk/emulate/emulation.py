"""The emulation: a company is founded, lives its days, is perhaps attacked, and leaves its logs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hauberk.errors import UsageError

from .campaigns import CAMPAIGNS, Attack
from .company import Company, found_company
from .logs import Logs
from .machine import agents, chat_client, chores, nightly
from .servers import servers
from .staffing import joiners
from .times import DAY, midnight
from .truth import Step
from .workday import days_of, policies

START = date(2026, 3, 2)
"""The first day unless another is given: a Monday."""

_SLICE = 900.0
_MARK = "README.md"
_README = """# An emulated company

Written by `hauberk emulate` (seed {seed}, {users} people, {days} days from {start}).
Everything here is made up: people, hosts and sites do not exist, addresses outside are those that
RFC 5737 keeps for documentation.

- `logs/` is what the company's machines, network sensor and cloud account wrote. Scan this folder.
- `truth/truth.jsonl` is what the attackers did, a step a line: campaign, tactic, ATT&CK techniques,
  when, whom it touched, and which records show it (file under `logs/`, record numbers from 1;
  header lines do not count). It is for judging a scan, never for scanning.

Campaigns: {campaigns}.
"""


@dataclass(frozen=True, slots=True)
class Emulated:
    """What was written."""

    records: int
    files: int
    logs: Path
    truth: Path
    steps: Sequence[Step]


def campaigns() -> Sequence[str]:
    """Names of the campaigns that can be emulated."""
    return tuple(sorted(CAMPAIGNS))


def emulate(
    out: Path, *, seed: int = 1, users: int = 25, days: int = 1,
    campaigns: Sequence[str] = (), start: date = START,
) -> Emulated:  # fmt: skip
    """Write the logs of `days` days into `out`/logs, and the truth into `out`/truth.

    The same arguments write the same bytes. Raises UsageError for an unknown campaign and where
    `out` holds anything that an earlier emulation did not write.
    """
    for name in campaigns:
        if name not in CAMPAIGNS:
            known = ", ".join(sorted(CAMPAIGNS))
            raise UsageError(f"no campaign is called {name!r}", hint=f"Known are {known}")
    _make_room(out)
    logs = Logs(out / "logs")
    begin = midnight(start)
    company = found_company(seed, users, begin, begin + days * DAY, logs)
    _live(company)
    steps: list[Step] = []
    for name in campaigns:
        attack = Attack(company, name, steps)
        company.agenda.add(CAMPAIGNS[name](attack), begin)
    company.agenda.run(company.until, logs.flush, _SLICE)
    logs.close(company.until)
    truth = out / "truth" / "truth.jsonl"
    truth.parent.mkdir()
    steps = sorted((step for step in steps if step.records), key=lambda step: step.start)
    truth.write_bytes(b"".join(step.line() for step in steps))
    (out / _MARK).write_text(
        _README.format(seed=seed, users=users, days=days, start=start.isoformat(),
                       campaigns=", ".join(campaigns) or "none"), "utf-8",
    )  # fmt: skip
    return Emulated(logs.records, logs.files, logs.root, truth, steps)


def _make_room(out: Path) -> None:
    """An empty folder, or one from an earlier emulation, whose logs are written anew."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        mark = out / _MARK
        ours = mark.is_file() and mark.read_text("utf-8", "replace").startswith(_README[:22])
        if not ours:
            raise UsageError(
                "this folder holds what no emulation wrote", where=str(out),
                hint="Name an empty or a new folder",
            )  # fmt: skip
        for name in ("logs", "truth"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)


def _live(company: Company) -> None:
    """Everybody and everything starts its ordinary life."""
    agenda = company.agenda
    for name in company.windows:
        for actor in (chores, agents, nightly, policies):
            agenda.add(actor(company, name), company.start)
    for person in company.people:
        agenda.add(days_of(company, person), company.start)
        agenda.add(chat_client(company, person.host.name.lower()), company.start)
    agenda.add(joiners(company), company.start)
    for actor_of in servers(company):
        agenda.add(actor_of, company.start)
