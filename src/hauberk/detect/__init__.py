"""Floor 4: detectors judge events and say what they find, with reasons and a surprise."""

from .interface import Detector, DetectorSpec, State

__all__ = ["Detector", "DetectorSpec", "State"]
