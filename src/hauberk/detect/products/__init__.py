"""What other products already found, folded into bursts and weighed by how unusual each is here."""

from .detector import ProductFindings

__all__ = ["ProductFindings"]
