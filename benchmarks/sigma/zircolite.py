"""Zircolite itself, where a checkout is given; it is never part of this project's environment.

It is run as its manual says for JSON lines and a converted rule set, by `.venv/bin/python` of the
checkout where there is one. The rules are the queries that the SQLite peer is asked, in the form
that `--ruleset` takes; log and event id are fields of each event. All processes it starts count.
"""

import json
import resource
import subprocess
import sys
from itertools import islice
from pathlib import Path

import orjson


def run_zircolite(
    checkout: Path | None, queries: Path, events: Path, folder: Path, count: int
) -> dict[str, object]:
    """CPU seconds of `zircolite.py` over the first events, or why it was not run."""
    if checkout is None:
        return {"skipped": "no `--zircolite DIR` was given"}
    program = checkout / "zircolite.py"
    if not program.exists():
        return {"skipped": f"there is no zircolite.py in {checkout}"}
    own = checkout / ".venv" / "bin" / "python"
    rules = [
        {
            "title": uid, "id": uid, "level": "high", "filename": "", "tags": [],
            "rule": [sql.replace("SELECT rowid", "SELECT *", 1)],
        }
        for uid, sql in json.loads(queries.read_text())["sql"]
    ]  # fmt: skip
    ruleset, flat = folder / "zircolite-rules.json", folder / f"zircolite-{events.stem}.jsonl"
    ruleset.write_text(json.dumps(rules))
    with events.open("rb") as lines, flat.open("wb") as out:
        for line in islice(lines, count):
            row = orjson.loads(line)
            _, row["log_service"], row["log_code"] = row.pop("_log")
            row.setdefault("EventID", row["log_code"])
            out.write(orjson.dumps(row) + b"\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            str(own) if own.exists() else sys.executable, str(program), "--events", str(flat),
            "--json-input", "--ruleset", str(ruleset), "--outfile", str(folder / "zircolite.json"),
        ],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return {"skipped": f"it ended with {done.returncode}: {done.stderr.strip()[-200:]}"}
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"events": count, "cpu_s": spent}
