"""Benchmarks and results: one file a claim, each with what it is measured against."""
