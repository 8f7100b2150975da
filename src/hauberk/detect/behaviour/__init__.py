"""Behaviour: what is rare here, and what log-ons that fail tell. Found by entry points."""

from .authentication import AuthenticationDetector
from .rarity import RarityDetector, rarity_detector
from .relation import Relation

__all__ = ["AuthenticationDetector", "RarityDetector", "Relation", "rarity_detector"]
