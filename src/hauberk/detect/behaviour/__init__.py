"""Behaviour: what is rare here, and what log-ons that fail tell. Found by entry points."""

from .rarity import RarityDetector, rarity_detector
from .relation import Relation

__all__ = ["RarityDetector", "Relation", "rarity_detector"]
