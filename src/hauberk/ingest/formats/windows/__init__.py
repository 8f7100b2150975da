"""Windows events: JSON in the shapes that shippers write, and EVTX files."""

from .evtx import Evtx
from .windows_json import WindowsJson, WindowsJsonDocument

__all__ = ["Evtx", "WindowsJson", "WindowsJsonDocument"]
