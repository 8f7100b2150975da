"""Sigma rules, compiled together and matched once per distinct value."""
