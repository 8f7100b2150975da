"""Training as a process of its own, so that it can be confined for good.

`run` starts it; the process confines itself before it reads any data, and tells how far it is as
JSON lines.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hauberk.errors import HauberkError, RefusedError, UnreadableInputError, UsageError

from .recipe import read_recipe

SANDBOX = Path(__file__).with_name("sandbox.py")
Say = Callable[[str], None]
_ERRORS = {one.__name__: one for one in (UsageError, UnreadableInputError, RefusedError)}


def run(
    recipe: Path, data: Path, out: Path, say: Say, *, live: Path | None = None,
    sandbox: bool = True, version: str | None = None,
) -> str:  # fmt: skip
    """Train in a process of its own; the artifact's digest. Raises HauberkError.

    `out` is new or empty; `version` takes the place of the recipe's. The recipe is read here
    first, so that its faults are told at once.
    """
    limits = asdict(read_recipe(recipe).resources)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise UsageError("the folder is not empty", where=str(out))
    task = {
        "recipe": str(recipe if recipe.suffix != ".toml" else recipe.resolve()),
        "data": str(data.resolve()),
        "out": str(out.resolve()),
        "live": None if live is None else str(live.resolve()),
        "sandbox": sandbox,
        "version": version,
        "limits": limits,
    }
    environment: dict[str, str] = {
        **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ},
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(out.resolve()),
    }
    with subprocess.Popen(  # noqa: S603  # our own interpreter, our own file, no shell
        [sys.executable, "-P", str(SANDBOX), json.dumps(task)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        ended: dict[str, Any] = {}
        for line in process.stdout:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if "say" in told:
                say(str(told["say"]))
            else:
                ended = told
    if "digest" in ended:
        return str(ended["digest"])
    kind = _ERRORS.get(str(ended.get("error")), HauberkError)
    what = ended.get("what") or f"training ended with status {process.returncode}"
    raise kind(str(what), where=ended.get("where"), hint=ended.get("hint"))


def main(task: dict[str, Any]) -> None:
    """Confine, train, and tell."""
    from hauberk.models.artifact import read_artifact  # noqa: PLC0415
    from hauberk.models.inference import Judging  # noqa: PLC0415

    from .train import train  # noqa: PLC0415

    out = Path(task["out"])
    recipe = read_recipe(Path(task["recipe"]))
    recipe = replace(recipe, version=task["version"] or recipe.version)
    live = Judging(read_artifact(Path(task["live"]))) if task["live"] else None
    trained = train(recipe, Path(task["data"]), out, _say, live=live, sandbox=task["confined"])
    _tell({"digest": trained.artifact.digest})


def _say(text: str) -> None:
    _tell({"say": text})


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except HauberkError as error:
        _tell({"error": type(error).__name__, "what": error.what, "where": error.where,
               "hint": error.hint})  # fmt: skip
        sys.exit(1)
    except MemoryError:
        _tell({"error": "HauberkError", "what": "training needs more memory than the recipe allows",
               "hint": "Raise resources.memory_mib, or read fewer rows"})  # fmt: skip
        sys.exit(1)
