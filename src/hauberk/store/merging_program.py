"""Merges files by a process of the lowest priority: what `merging` asks of it, in JSON.

python -m hauberk.store.merging_program < REQUEST
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from .lake_files import LakeFile
from .merging import merged_here


def main() -> None:
    """Do what is asked on standard input; tell it on standard output."""
    os.nice(19)
    pa.set_cpu_count(1)
    request: dict[str, Any] = json.load(sys.stdin)
    groups = [[LakeFile(**one) for one in group] for group in request["groups"]]
    told = []
    for one in merged_here(Path(request["home"]), request["aside"], groups):
        if os.getppid() != request["parent"]:
            sys.exit(1)  # nobody waits for it any more
        told.append({"file": one.file.facts(), "content": one.content})
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
