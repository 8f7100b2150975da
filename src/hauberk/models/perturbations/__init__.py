"""Feasible changes: what an attacker can alter while the attack still works, one file a task."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hauberk.models.documents import Task

from .domain import perturb_domains

Perturb = Callable[[Sequence[Any], np.random.Generator], list[Any]]
"""Records and randomness in, one variant of each out."""

PERTURBATIONS: dict[Task, Perturb] = {Task.DOMAIN: perturb_domains}

__all__ = ["PERTURBATIONS", "Perturb", "perturb_domains"]
