"""Trusted training: declarative recipes, leak-proof splits, a sandbox, the same bits every time."""
