"""Hunting: questions in SQL to the lake, asked in a process that can do nothing else."""

from .ask import Answer, Bounds, Column, Question, Value, ask
from .views import CATALOGUE, Described

__all__ = ["CATALOGUE", "Answer", "Bounds", "Column", "Described", "Question", "Value", "ask"]
