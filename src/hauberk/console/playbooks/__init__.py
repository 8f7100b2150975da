"""Playbooks that come with the console: CACAO 2.0, one JSON file each, for people to carry out."""

from .library import Playbook, Proposed, Step, filled, library, proposed, steps

__all__ = ["Playbook", "Proposed", "Step", "filled", "library", "proposed", "steps"]
