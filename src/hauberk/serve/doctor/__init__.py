"""The doctor: looks at a home and its machine; says what is wrong, what it means, what to do."""

from .examining import CHECKS, examine
from .interface import Check, Diagnosis, Examined, Grade

__all__ = ["CHECKS", "Check", "Diagnosis", "Examined", "Grade", "examine"]
