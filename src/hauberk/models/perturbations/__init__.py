"""Feasible changes: what an attacker can alter while the attack still works, one file a task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hauberk.models.documents import Task

from .domain import perturb_domains
from .executable import perturb_executables
from .mail import perturb_mails
from .url import perturb_urls

Perturb = Callable[[Sequence[Any], Sequence[Any], np.random.Generator], list[Any]]
"""Attacks, ordinary records to borrow from, and randomness in; one variant of each attack out.

Hardening borrows from ordinary records of training, gates from others: a trial that borrowed from
the same ones would measure how well they are remembered.
"""

PERTURBATIONS: dict[Task, Perturb] = {
    Task.DOMAIN: perturb_domains,
    Task.MAIL: perturb_mails,
    Task.URL: perturb_urls,
    Task.EXECUTABLE: perturb_executables,
}

__all__ = [
    "PERTURBATIONS",
    "Perturb",
    "perturb_domains",
    "perturb_executables",
    "perturb_mails",
    "perturb_urls",
]
