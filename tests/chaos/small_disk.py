"""A file system of a few megabytes that only the processes of a test see."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STORED = """
import json, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.chaos.watching import lines_of
from hauberk.store import verify
home = Path(sys.argv[1])
print(json.dumps({"ok": verify(home).ok, "lines": lines_of(home)}))
"""


@dataclass
class SmallDisk:
    """A tmpfs in a namespace of its own. `path` is its name from within, `seen` from here."""

    path: Path
    process: "subprocess.Popen[bytes]"

    @property
    def within(self) -> list[str]:
        """What goes before a command that is to see it."""
        return ["nsenter", "-t", str(self.process.pid), "-U", "-m", "--preserve-credentials", "--"]

    @property
    def seen(self) -> Path:
        """Its folder, for a process that is not within."""
        return Path(f"/proc/{self.process.pid}/root{self.path}")

    def run(self, *command: str) -> None:
        subprocess.run([*self.within, *command], check=True, timeout=60)

    def told_by(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What Python says from within, to a program and its arguments."""
        return subprocess.run(
            [*self.within, sys.executable, "-c", *arguments],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def stored(self, home: Path) -> Counter[str]:
        """Every record of a home's lake, and how often it is there; the home is as it should be.

        From here SQLite cannot open it: it resolves the link that leads within.
        """
        told = self.told_by(STORED, str(home), str(ROOT))
        assert told.returncode == 0, told.stderr[-2000:]
        found = json.loads(told.stdout)
        assert found["ok"]
        return Counter(found["lines"])

    def remount(self, option: str) -> None:
        self.run("mount", "-o", f"remount,{option}", str(self.path))

    def fill(self, leave: int = 0) -> None:
        """Take all room that there is now, but so many bytes."""
        with (
            contextlib.suppress(OSError),  # others write to it too
            (self.seen / "ballast").open("ab", buffering=0) as file,
        ):
            while shutil.disk_usage(self.seen).free > leave:
                file.write(bytes(4096))

    def stays_full(self) -> bool:
        """Take what others gave back; always true."""
        self.fill()
        return True

    def empty(self) -> None:
        (self.seen / "ballast").unlink()


def small_disk(folder: Path, megabytes: int) -> SmallDisk:
    """Make one; skips the test where namespaces may not be made."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "nsenter", "mount"))):
        pytest.skip("needs Linux with unshare, nsenter and mount")
    path = folder / "disk"
    path.mkdir()
    script = f'mount -t tmpfs -o size={megabytes}m none "$0" && echo made && exec sleep 600'
    process = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", script, str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    if process.stdout.readline() != b"made\n":
        process.kill()
        process.wait()
        pytest.skip("user and mount namespaces may not be made here")
    return SmallDisk(path, process)
