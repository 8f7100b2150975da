"""Hauberk over a file of events in a process of its own.

    python -m benchmarks.sigma.hauberk_run CACHE EVENTS.jsonl COUNT ONCE RULES...
        [--hits FILE] [--pure] [--again]

The first ONCE events are no repeats: what is remembered is cold for them and warm for the rest.
Prints a line of JSON: CPU seconds of starting, parsing, matching. With `--pure`, Vectorscan is not
used though it be installed. With `--again`, the same engine then judges those first events once
more, read anew; that counts to no other figure.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Load, match, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("events", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("once", type=int)
    parser.add_argument("rules", type=Path, nargs="+")
    parser.add_argument("--hits", type=Path)
    parser.add_argument("--pure", action="store_true")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    if asked.pure:
        sys.modules["hyperscan"] = None  # type: ignore[assignment]  # an import of it fails

    # As every command does: cycles are looked for seldom.
    from hauberk.cli.collecting import collect_seldom  # noqa: PLC0415  # its import is measured

    collect_seldom()
    from hauberk.detect.sigma import Engine, load_rules  # noqa: PLC0415  # its import is measured

    imported = time.process_time()
    rules = load_rules(asked.rules, cache=asked.cache)
    engine = Engine(rules)
    started = time.process_time()

    from .events import Columns, batches, groups  # noqa: PLC0415  # the inputs' import is not

    spent = {"parse": 0.0, "cold": 0.0, "warm": 0.0}
    events, at, count, found = 0, 0, 0, []
    for lines in batches(asked.events, asked.count):
        began = time.process_time()
        parted = [(key, places, Columns(rows)) for key, places, rows in groups(lines)]
        parsed = time.process_time()
        for key, places, fields in parted:
            for row, fired in engine.match(key, fields):
                count += len(fired)
                if asked.hits:
                    found += [(at + places[row], rules.rules[rule].uid) for rule in fired]
        matched = time.process_time()
        spent["parse"] += parsed - began
        spent["cold" if at < asked.once else "warm"] += matched - parsed
        at += len(lines)
        events += len(lines)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    again_events, again = 0, 0.0
    for lines in batches(asked.events, asked.once) if asked.again else ():
        parted = [(key, places, Columns(rows)) for key, places, rows in groups(lines)]
        began = time.process_time()
        for key, _, fields in parted:
            for _ in engine.match(key, fields):
                pass
        again += time.process_time() - began
        again_events += len(lines)
    if asked.hits:
        asked.hits.write_text(json.dumps(sorted(set(found))))
    cold = min(events, -(-asked.once // 10_000) * 10_000)
    print(json.dumps({
        "events": events, "rules": len(rules.rules), "hits": count, "import_s": imported,
        "startup_s": started, "parse_s": spent["parse"],
        "cold_events": cold, "cold_s": spent["cold"],
        "warm_events": events - cold, "warm_s": spent["warm"],
        "again_events": again_events, "again_s": again,
        "cpu_s": started + sum(spent.values()),
        "memory_mib": used,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
