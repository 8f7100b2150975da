"""Floor 9: everything of one machine, run by one process; its health, and its backups.

What reads the lake loads when it is asked for: `status` is run every few seconds by whoever watches
over a system, and reads one small file.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .ending import Ended, bring_down
from .interface import (
    RUN,
    Listener,
    Part,
    PartFailedError,
    PartStatus,
    Plan,
    Report,
    State,
)
from .notify import Notifier
from .parts import PARTS
from .running import Holder, Process, holder_of, make_run_folder
from .status import SystemStatus, read_status

if TYPE_CHECKING:
    from .backup import BackupReport, back_up
    from .missing_keys import READ_ONLY, without
    from .planning import known_settings, plan_of, write_first_settings
    from .restoring import RestoreReport, restore
    from .supervising import Supervisor

__all__ = [
    "PARTS",
    "READ_ONLY",
    "RUN",
    "BackupReport",
    "Ended",
    "Holder",
    "Listener",
    "Notifier",
    "Part",
    "PartFailedError",
    "PartStatus",
    "Plan",
    "Process",
    "Report",
    "RestoreReport",
    "State",
    "Supervisor",
    "SystemStatus",
    "back_up",
    "bring_down",
    "holder_of",
    "known_settings",
    "make_run_folder",
    "plan_of",
    "read_status",
    "restore",
    "without",
    "write_first_settings",
]

_LATER = {
    "READ_ONLY": "missing_keys",
    "BackupReport": "backup",
    "RestoreReport": "restoring",
    "back_up": "backup",
    "restore": "restoring",
    "Supervisor": "supervising",
    "known_settings": "planning",
    "plan_of": "planning",
    "without": "missing_keys",
    "write_first_settings": "planning",
}


def __getattr__(name: str) -> Any:  # of whatever type the name has in its module
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
