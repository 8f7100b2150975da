"""The captures that results are measured on, each with what its set says is in it.

Truth stays here: it comes from file names, directories and metadata of the sets, and nothing of it
reaches the scan.
"""

import json
import re
import tarfile
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

_TECHNIQUE = re.compile(r"T1\d{3}(?:\.\d{3})?")


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture: its set, its name, what to scan, and what is in it.

    `techniques` empty and `tactics` not: the set names no more than the tactic. Both empty: an
    attack without a name, to be found all the same. `quiet`: no attack. `clean` rewrites a file
    before it is scanned (to take out the traces of a test harness).
    """

    data_set: str
    name: str
    paths: tuple[Path, ...]
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    quiet: bool = False
    note: str = ""
    clean: Callable[[bytes], bytes] | None = field(default=None, compare=False)


def unpack(name: str, root: Path) -> Path:
    """Unpack one set below `root`, once."""
    target = root / name
    if not target.exists():
        partial = root / f"{name}.part"
        with tarfile.open(SHARED / f"{name}.tar.gz") as tar:
            tar.extractall(partial, filter="data")
        partial.rename(target)
    return target / name


def _otrf(root: Path) -> Iterator[Capture]:
    base = unpack("win-otrf-atomic", root) / "otrf" / "datasets" / "atomic"
    archives = {path.name: path for path in base.rglob("*.zip")}
    techniques: dict[str, set[str]] = defaultdict(set)
    for path in sorted(base.glob("_metadata/*.yaml")):
        meta = yaml.safe_load(path.read_text("utf-8"))
        found = set()
        for mapping in meta.get("attack_mappings") or []:
            sub = str(mapping.get("sub-technique") or "").strip()
            found.add(f"{mapping['technique']}.{sub}" if sub else str(mapping["technique"]))
        for entry in meta.get("files") or []:
            techniques[str(entry["link"]).rsplit("/", 1)[-1]] |= found
    for name, path in sorted(archives.items()):
        yield Capture("win-otrf-atomic", name, (path,), tuple(sorted(techniques.get(name, ()))))


def _without_harness(data: bytes) -> bytes:
    """Take out how the harness cleared the logs before each test: its trace is in every capture."""
    kept = []
    for line in data.splitlines(keepends=True):
        cleared = b'"EventID":"1102"' in line or (
            b'"EventID":"104"' in line and b"Eventlog" in line
        )
        if cleared or (b"wevtutil" in line.lower() and b" cl " in line.lower()):
            continue
        kept.append(line)
    return b"".join(kept)


def _atomic(root: Path) -> Iterator[Capture]:
    base = unpack("win-atomic-evtx", root)
    tests: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(base.rglob("*.json")):
        tests[path.name.split("_", 1)[0]].append(path)
    for name, paths in sorted(tests.items()):
        technique = name.split("-", 1)[0]
        code = _exit_code(paths[0].parent.parent / f"{name}.csv")
        note = "" if code == "0" else f"exit code {code or 'unknown'}: the test may have failed"
        yield Capture(
            "win-atomic-evtx", name, tuple(paths), (technique,), note=note, clean=_without_harness
        )


def _exit_code(path: Path) -> str:
    try:
        lines = path.read_text("utf-8-sig", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].rsplit(",", 1)[-1].strip('" ') if len(lines) > 1 else ""


def _evtx_to_mitre(root: Path) -> Iterator[Capture]:
    base = unpack("win-evtx-to-mitre", root)
    for path in sorted(base.rglob("*.evtx")):
        named = tuple(_TECHNIQUE.findall(path.parent.name))
        yield Capture("win-evtx-to-mitre", f"{path.parent.name}/{path.name}", (path,), named)


def _regression(root: Path) -> Iterator[Capture]:
    base = unpack("sigma-regression", root)
    rules = _tags(unpack("sigma-rules", root))
    for info in sorted(base.rglob("info.yml")):
        meta = yaml.safe_load(info.read_text("utf-8"))
        wanted = {t for rule in meta["rule_metadata"] for t in rules.get(str(rule["id"]), ())}
        events = sorted(info.parent.glob("*.evtx")) or sorted(info.parent.glob("*.json"))
        if events:
            yield Capture("sigma-regression", info.parent.name, tuple(events[:1]), tuple(wanted))


def _tags(rules: Path) -> dict[str, tuple[str, ...]]:
    """Techniques that each public rule names, by rule id."""
    found: dict[str, tuple[str, ...]] = {}
    for path in rules.rglob("*.yml"):
        text = path.read_text("utf-8")
        rule_id = re.search(r"^id:\s*(\S+)", text, re.MULTILINE)
        if rule_id:
            tags = re.findall(r"attack\.(t1\d{3}(?:\.\d{3})?)", text)
            found[rule_id[1]] = tuple(tag.upper() for tag in tags)
    return found


def _stratus(root: Path) -> Iterator[Capture]:
    base = unpack("cloudtrail-stratus", root)
    for log in sorted(base.rglob("detonation-logs/*.json")):
        page = next(base.rglob(f"attack-techniques/AWS/{log.stem}.md"))
        head = page.read_text("utf-8").split("## Description")[0]
        tactic = log.stem.split(".")[1]
        techniques = tuple(sorted(set(re.findall(r"T1\d{3}\.\d{3}", head))))
        yield Capture("cloudtrail-stratus", log.stem, (log,), techniques, (tactic,))


def _listed(name: str) -> Callable[[Path], Iterator[Capture]]:
    def captures(root: Path) -> Iterator[Capture]:
        base = unpack(name, root)
        truth = tomllib.loads(Path(__file__).with_name("truth.toml").read_text("utf-8"))[name]
        for part, facts in truth.items():
            paths = [path for path in base.rglob("*") if str(path).endswith("/" + part)]
            if len(paths) != 1:
                raise FileNotFoundError(f"{name}: {part} is there {len(paths)} times")
            yield Capture(
                name,
                part,
                tuple(_telemetry(paths[0])),
                tuple(facts["techniques"]),
                note=facts["says"],
            )

    return captures


def _telemetry(path: Path) -> Iterator[Path]:
    """Logs of a capture; not its README, its labels' rules, or a second copy with labels."""
    if path.is_file():
        yield path
        return
    for one in sorted(path.rglob("*")):
        skip = one.suffix in {".md", ".config", ".csv", ".txt"} or one.name == "labeled-conn.log"
        if one.is_file() and not skip:
            yield one


def _benign(root: Path) -> Iterator[Capture]:
    base = unpack("win-benign-evtx", root)
    for path in sorted(base.rglob("*.evtx")):
        yield Capture("win-benign-evtx", path.name, (path,), quiet=True)


SETS: dict[str, Callable[[Path], Iterator[Capture]]] = {
    "win-otrf-atomic": _otrf,
    "win-atomic-evtx": _atomic,
    "win-evtx-to-mitre": _evtx_to_mitre,
    "sigma-regression": _regression,
    "cloudtrail-stratus": _stratus,
    "zeek-stratosphere": _listed("zeek-stratosphere"),
    "zeek-iot23": _listed("zeek-iot23"),
    "slips-testdata": _listed("slips-testdata"),
    "suricata-eve": _listed("suricata-eve"),
    "loghub-auth": _listed("loghub-auth"),
    "cowrie-2018a": _listed("cowrie-2018a"),
    "win-benign-evtx": _benign,
}


def named(expected: tuple[str, ...], found: list[str], *, family: bool = False) -> bool:
    """Whether one of the expected techniques is among the found.

    The same id, or one the parent of the other; with `family` a sibling sub-technique counts too.
    """
    for want in expected:
        for have in found:
            parents = want.split(".")[0] == have.split(".")[0]
            if parents and (family or want == have or "." not in want or "." not in have):
                return True
    return False


def main() -> None:
    """Print what there is, a line a set."""
    with tempfile.TemporaryDirectory() as root:
        for name, captures in SETS.items():
            found = list(captures(Path(root)))
            nameless = sum(not one.techniques and not one.tactics for one in found)
            print(json.dumps({"set": name, "captures": len(found), "nameless": nameless}))


if __name__ == "__main__":
    main()
