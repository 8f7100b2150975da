"""Checks of the machine: Python, room, clock, limits, and what the kernel threw away."""

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from hauberk import __version__
from hauberk.ingest.receivers import Kind, missing_extra, read_sources

from .interface import Diagnosis, Examined, fault, fine, unknown, warning

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "console": ("argon2", "fastapi", "segno", "uvicorn"),
    "receive": ("opentelemetry.proto", "starlette", "uvicorn"),
}
"""Modules of the extras that `up` may need."""

LITTLE_ROOM, NO_ROOM = 0.10, 0.02
FEW_FILES = 4096
_CLOCK_SKEW = 300.0
_NTP = Path("/run/systemd/timesync/synchronized")


def python(_: Examined) -> Iterator[Diagnosis]:
    """The interpreter."""
    yield fine("python", f"{'.'.join(map(str, sys.version_info[:3]))}, Hauberk {__version__}")


def extras(examined: Examined) -> Iterator[Diagnosis]:
    """Packages that the plan needs."""
    plan = examined.plan
    wanted = {"console": plan is None or plan.console, "receive": bool(plan and plan.sources)}
    for name, modules in EXTRAS.items():
        missing = [one for one in modules if not _there(one)]
        if not missing:
            yield fine(f"extra {name}", "installed")
        elif wanted[name]:
            yield fault(
                f"extra {name}", f"missing: {', '.join(missing)}",
                f"the {name} part cannot start", f"pip install 'hauberk[{name}]'",
            )  # fmt: skip
        else:
            yield fine(f"extra {name}", "not installed, and not asked for")
    if plan is None or plan.sources_file is None:
        return
    for one in read_sources(plan.sources_file).of(Kind.NATS, Kind.KAFKA):
        if extra := missing_extra(one):
            yield fault(
                f"source {one.name}", f"it needs the extra {extra}",
                "the watch part cannot start", f"pip install 'hauberk[{extra}]'",
            )  # fmt: skip


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def room(examined: Examined) -> Iterator[Diagnosis]:
    """Bytes and inodes of the home's device."""
    path = next((one for one in (examined.path, *examined.path.parents) if one.exists()), Path("/"))
    usage = shutil.disk_usage(path)
    free = usage.free / max(1, usage.total)
    said = f"{usage.free / 1e9:,.1f} GB free of {usage.total / 1e9:,.1f} GB ({free:.0%})"
    yield _graded("disk", said, free)
    about = os.statvfs(path)
    if about.f_files:
        left = about.f_favail / about.f_files
        yield _graded("inodes", f"{about.f_favail:,} free ({left:.0%})", left)


def _graded(check: str, said: str, share: float) -> Diagnosis:
    means = "receivers hold senders back below 5 %; without any, commits fail (nothing is lost)"
    do = "Make room, or move the home to a larger device"
    if share < NO_ROOM:
        return fault(check, said, means, do)
    return warning(check, said, means, do) if share < LITTLE_ROOM else fine(check, said)


def clock(examined: Examined) -> Iterator[Diagnosis]:
    """Whether the clock runs with the home's commits, and who sets it."""
    zone = time.strftime("%Z %z")
    if examined.home is not None:
        newest = max((one.time for one in examined.home.records.commits()), default=None)
        ahead = (newest - examined.now).total_seconds() if newest else 0.0
        if ahead > _CLOCK_SKEW:
            yield fault(
                "clock", f"the newest commit lies {ahead:,.0f} s in the future ({zone})",
                "the clock was set back: times of findings and the ledger contradict each other",
                "Set the clock by NTP",
            )  # fmt: skip
            return
    if _NTP.exists() or not Path("/run/systemd/system").is_dir():
        by = "set by systemd-timesyncd" if _NTP.exists() else "who sets it is not known"
        yield fine("clock", f"{examined.now:%Y-%m-%d %H:%M:%S} UTC, zone {zone}, {by}")
    else:
        yield unknown("clock", f"whether anybody sets it is not known (zone {zone})")


def limits(_: Examined) -> Iterator[Diagnosis]:
    """How many files a process may hold open."""
    try:
        import resource  # noqa: PLC0415  # it is not on every system
    except ModuleNotFoundError:
        yield unknown("open files", "this system does not say")
        return
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < FEW_FILES:
        yield warning(
            "open files", f"at most {soft:,}",
            "a watch holds every followed file open, and receivers every connection",
            "ulimit -n 65536, or LimitNOFILE=65536 in the unit",
        )  # fmt: skip
    else:
        yield fine("open files", "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,}")


def datagrams(examined: Examined) -> Iterator[Diagnosis]:
    """What the kernel dropped of UDP because nobody took it in time."""
    if not (examined.plan and examined.plan.sources):
        return
    try:
        lines = Path("/proc/net/snmp").read_text("ascii").splitlines()
        rows = [one.split()[1:] for one in lines if one.startswith("Udp:")]
        counts = dict(zip(rows[0], map(int, rows[1]), strict=True))
    except (OSError, ValueError, IndexError):
        yield unknown("datagrams", "this system does not say")
        return
    lost, came = counts.get("RcvbufErrors", 0), counts.get("InDatagrams", 0)
    said = f"{lost:,} lost of {came + lost:,} since this machine started"
    if lost > max(100, came // 1000):
        yield warning(
            "datagrams", said, "syslog over UDP comes faster than it is taken",
            "Raise net.core.rmem_max, or have senders use TCP or TLS",
        )  # fmt: skip
    else:
        yield fine("datagrams", said)
