"""Floor 4: findings become a short ranked list of explained incidents."""

from .interface import Incident, Link, Reason

__all__ = ["Incident", "Link", "Reason"]
