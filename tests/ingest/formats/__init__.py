"""Tests of the formats; `accounting` is what each of them owes."""
