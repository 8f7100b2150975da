"""The groups `models`, `people` and `policy`, with the commands that other files add to them."""

from . import models_acts, models_exchange, models_watch, offline
from .models import models_app
from .people import people_app
from .policy import policy_app

__all__ = [
    "models_acts",
    "models_app",
    "models_exchange",
    "models_watch",
    "offline",
    "people_app",
    "policy_app",
]
