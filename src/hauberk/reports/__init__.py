"""Floor 6: a scan as people and machines read it."""

from .html import write_html
from .ocsf import write_json, write_view
from .terminal import print_scan
from .views import print_finding, print_incident, print_replay, print_verification
from .words import plain

__all__ = [
    "plain",
    "print_finding",
    "print_incident",
    "print_replay",
    "print_scan",
    "print_verification",
    "write_html",
    "write_json",
    "write_view",
]
