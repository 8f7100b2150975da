"""Findings of other products, weighed like our own."""
