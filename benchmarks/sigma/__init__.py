"""Sigma matching against its peers: how fast, and whether the hits are the same."""
