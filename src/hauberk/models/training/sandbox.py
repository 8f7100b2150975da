"""Confine this process: no network, everything read-only but one folder, bounded resources.

This file is also a program: `python -P sandbox.py TASK` confines itself, then trains. It imports
the standard library alone, because a process may only enter a user namespace while it has one
thread, and the libraries that training needs start some.

Linux only. Namespaces of user, mount, network and IPC are entered by unshare(2); all mounts are
made read-only by mount_setattr(2) (Linux 5.12), the output folder writable again. Where `bwrap` is
installed and namespaces are not open to users, it is no help either, so it is not tried. Limits
are setrlimit(2). What the host does not allow is refused, never skipped.
"""

import ctypes
import errno
import json
import os
import resource
import runpy
import sys
from pathlib import Path

NAMESPACES = "namespaces: no network, read-only files but the output, bounded resources"
NONE = "nothing (--no-sandbox)"

_NEW_USER, _NEW_MOUNT, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x00020000, 0x40000000, 0x08000000
_PRIVATE, _RECURSIVE, _BIND = 1 << 18, 1 << 14, 1 << 12
_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY, _NO_SUID, _NO_DEVICES = 0x1, 0x2, 0x4


class RefusedByHostError(Exception):
    """The host does not allow what confining needs; says which call and why."""


class _Attributes(ctypes.Structure):
    """`struct mount_attr`."""

    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user", ctypes.c_uint64),
    )


def confine(out: Path, limits: dict[str, int]) -> str:
    """Confine the calling process for good; it may write below `out` alone. Says how.

    Call it before threads are started. `limits` as of a recipe's `resources`. Raises
    RefusedByHostError where the host does not allow it.
    """
    if not sys.platform.startswith("linux"):
        raise _refused(f"{sys.platform} has no namespaces")
    out = out.resolve()
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    _call(libc.unshare(_NEW_USER | _NEW_MOUNT | _NEW_NETWORK | _NEW_IPC), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    place = os.fsencode(out)
    _call(libc.mount(None, b"/", None, _PRIVATE | _RECURSIVE, None), "mount")
    _call(libc.mount(place, place, None, _BIND, None), "mount")
    _set(libc, b"/", _AT_RECURSIVE, _Attributes(_READ_ONLY, 0, 0, 0))
    _set(libc, place, 0, _Attributes(_NO_SUID | _NO_DEVICES, _READ_ONLY, 0, 0))
    os.chdir(out)
    bound(limits)
    return NAMESPACES


def bound(limits: dict[str, int]) -> None:
    """Bound CPU time, address space and the size of files; no core dumps."""
    mib = 1 << 20
    for kind, most in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_mib"] * mib),
        (resource.RLIMIT_FSIZE, limits["output_mib"] * mib),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowest, lowest))


def _set(libc: ctypes.CDLL, path: bytes, flags: int, attributes: _Attributes) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    found = libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD), ctypes.c_char_p(path),
        ctypes.c_uint(flags), ctypes.byref(attributes), size,
    )  # fmt: skip
    _call(found, "mount_setattr")


def _call(result: int, name: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise _refused(f"{name}: {errno.errorcode.get(number, number)} ({os.strerror(number)})")


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise _refused(f"{path}: {error.strerror}") from error


def _refused(why: str) -> RefusedByHostError:
    return RefusedByHostError(why)


def main(task: dict[str, object]) -> None:
    """Confine as the task says, then train; what the host refuses is told as a JSON line."""
    limits = dict(task["limits"])  # type: ignore[call-overload]  # written by `job.run`
    try:
        if task["sandbox"]:
            task["confined"] = confine(Path(str(task["out"])), limits)
        else:
            bound(limits)
            task["confined"] = NONE
    except RefusedByHostError as error:
        told = {
            "error": "UsageError",
            "what": f"training cannot be confined on this host ({error})",
            "hint": "Allow unprivileged user namespaces, or say --no-sandbox; the report will tell",
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.exit(1)
    sys.argv = [sys.argv[0], json.dumps(task)]
    runpy.run_module("hauberk.models.training.job", run_name="__main__")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
