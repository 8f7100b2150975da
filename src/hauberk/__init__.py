"""Hauberk: governed AI detection and response, every decision riveted to its evidence."""

__version__ = "0.1.0"
