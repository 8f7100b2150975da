"""Packages that other people installed, with whatever is wrong with them."""

import textwrap
from pathlib import Path

FORMAT = """
from hauberk.ingest import Framing, format_named
class Format:
    name, version, framing = "stranger", "1", Framing.LINES
    def sniff(self, head, path):
        return {sniff}
    def parse(self, records):
        if b"poison" in records.data:
            {fault}
        return format_named("syslog").parse(records)
"""

DETECTOR = """
from hauberk.detect import DetectorSpec
from hauberk.events import EventClass, FindingKind, no_findings
COLUMNS = {{one: ("device.hostname",) for one in EventClass}}
class Detector:
    spec = DetectorSpec("stranger", "1", FindingKind.RARITY, "Stranger", {reads})
    def judge(self, batch, state):
        {fault}
        return no_findings(), state
"""

FAULTS = {
    "raises": "raise KeyError('poison')",
    "loops": "while True: pass",
    "sleeps": "import time; time.sleep(3600)",
}


def install(folder: Path, group: str, source: str) -> dict[str, str]:
    """Make a package with one entry point; the environment in which it is found."""
    name = group.rpartition(".")[2][:-1].capitalize()
    (folder / "a_stranger.py").write_text(textwrap.dedent(source))
    about = folder / "a_stranger-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: a-stranger\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nstranger = a_stranger:{name}\n")
    return {"PYTHONPATH": str(folder)}


def format_that(folder: Path, fault: str, sniff: str = "0.99") -> dict[str, str]:
    """A format of auth logs, with a fault on lines that say poison."""
    return install(folder, "hauberk.formats", FORMAT.format(fault=FAULTS[fault], sniff=sniff))


def detector_that(folder: Path, fault: str, *, at_once: bool = False) -> dict[str, str]:
    """A detector with a fault, of the lake or (`at_once`) of records as they are parsed."""
    reads = "reads_fields=True" if at_once else "COLUMNS"
    return install(folder, "hauberk.detectors", DETECTOR.format(fault=FAULTS[fault], reads=reads))
