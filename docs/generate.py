"""Write the parts of docs/ that are tables of what the code says: docs/events.md, docs/rules.md.

    python docs/generate.py [--check]

With --check nothing is written, and the exit code is 1 where a page is not what the code says.
"""

import sys
from collections import Counter
from pathlib import Path

from hauberk.detect.sigma import built_in_rules
from hauberk.events import OCSF_VERSION, class_tables, technique_name

DOCS = Path(__file__).resolve().parent


def events() -> str:
    """The columns of every event class."""
    lines = [
        "# Events\n",
        "Generated from `src/hauberk/events/columns.toml` by `make docs`.\n",
        f"One row of a table is one event. Names are OCSF {OCSF_VERSION} attribute paths, joined",
        "with dots; where the OCSF path differs from the column's name it is given.\n",
    ]
    tables = class_tables()
    shared = set.intersection(*({c.name for c in t.columns} for t in tables.values()))
    first = next(iter(tables.values()))
    lines += ["## In every class\n", *_table([c for c in first.columns if c.name in shared]), ""]
    for table in tables.values():
        lines.append(f"## {table.name} ({int(table.event_class)})\n")
        lines.append(f"{table.category}; table `{table.event_class.table}`.\n")
        lines += [*_table([c for c in table.columns if c.name not in shared]), ""]
    return "\n".join(lines)


def _table(columns: list) -> list[str]:  # type: ignore[type-arg]  # Column is not in the door
    rows = ["| column | type | means | OCSF path |", "|---|---|---|---|"]
    rows += [
        f"| `{c.name}` | {c.type_name} | {c.meaning} | {c.ocsf if c.ocsf != c.name else ''} |"
        for c in columns
    ]
    return rows


def rules() -> str:
    """Which techniques the shipped rules name, and how many rules each."""
    loaded = built_in_rules()
    techniques: Counter[str] = Counter()
    levels: Counter[str] = Counter()
    products: Counter[str] = Counter()
    for rule in loaded.rules:
        techniques.update(set(rule.techniques))
        levels[rule.level] += 1
        products[rule.path.split("/rules/")[-1].split("/")[0]] += 1
    lines = [
        "# Rules that ship\n",
        "Generated from `src/hauberk/detect/sigma/rules` by `make docs`.\n",
        f"{len(loaded.rules)} rules: "
        + ", ".join(f"{number} for {name}" for name, number in products.most_common())
        + "; by level "
        + ", ".join(f"{number} {name}" for name, number in levels.most_common())
        + f". They name {len(techniques)} techniques.\n",
        "| technique | name | rules |",
        "|---|---|---|",
        *(f"| {t} | {technique_name(t)} | {n} |" for t, n in sorted(techniques.items())),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages, or check them."""
    stale = []
    for name, text in (("events.md", events()), ("rules.md", rules())):
        path = DOCS / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not what the code says: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
