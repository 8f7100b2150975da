"""One measurement in a process of its own: a scan, or the bare parse that it is held against.

    python -m benchmarks.measured scan|json|tsv|csv PATH...

Prints one line of JSON: records, seconds by stage (of a scan), threads' shares of the CPU time.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def scan(paths: Sequence[Path]) -> dict[str, object]:
    """A whole scan into a fresh home, with everything that ships, as the command runs it.

    Who asked removes the home: a scan leaves it, and to delete its files takes half a second.
    """
    from hauberk.cli.collecting import collect_seldom  # noqa: PLC0415

    collect_seldom()
    from hauberk.pipeline import ScanOptions  # noqa: PLC0415  # a bare parse must not pay for it
    from hauberk.pipeline import scan as whole_scan  # noqa: PLC0415

    home = Path(tempfile.mkdtemp(dir=paths[0].parent, prefix="home-"))
    began, main_began = time.perf_counter(), time.thread_time()
    answer = whole_scan(ScanOptions(paths=list(paths), home=home))
    wall, main = time.perf_counter() - began, time.thread_time() - main_began
    read = answer.accounting
    return {
        "home": str(home),
        "records": read.records,
        "events": read.events,
        "rejected": read.rejected,
        "findings": answer.findings.height,
        "incidents": len(answer.incidents),
        "scan_s": round(wall, 3),
        "main_thread_s": round(main, 3),
        "stages": {name: round(seconds, 3) for name, seconds in answer.seconds.items()},
    }


def bare_json(paths: Sequence[Path]) -> dict[str, object]:
    """Each line through orjson, the objects thrown away."""
    import orjson  # noqa: PLC0415

    records = 0
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                orjson.loads(line)
                records += 1
    return {"records": records}


def bare_tsv(paths: Sequence[Path]) -> dict[str, object]:
    """Each file through polars' CSV reader, as columns of text."""
    return {"records": sum(_columns(path, "\t", "#", header=False) for path in paths)}


def bare_csv(paths: Sequence[Path]) -> dict[str, object]:
    """Each file through polars' CSV reader, with its header, as columns of text."""
    return {"records": sum(_columns(path, ",", None, header=True) for path in paths)}


def _columns(path: Path, separator: str, comment: str | None, *, header: bool) -> int:
    import polars as pl  # noqa: PLC0415

    frame = pl.read_csv(
        path,
        separator=separator,
        comment_prefix=comment,
        has_header=header,
        quote_char=None,
        infer_schema=False,
        truncate_ragged_lines=True,
    )
    return frame.height


KINDS: dict[str, Callable[[Sequence[Path]], dict[str, object]]] = {
    "scan": scan,
    "json": bare_json,
    "tsv": bare_tsv,
    "csv": bare_csv,
}


def main() -> None:
    """Measure what the arguments name."""
    kind, *paths = sys.argv[1:]
    print(json.dumps(KINDS[kind]([Path(path) for path in paths])))


if __name__ == "__main__":
    main()
