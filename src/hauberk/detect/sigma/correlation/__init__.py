"""Sigma correlations: what several hits of rules mean together, in windows of event time."""

from .hits import HIT_SCHEMA, hits_frame, joined_hits, no_hits
from .rule import Correlation, Filter, Kind, decode_correlation, encode_correlation

__all__ = [
    "HIT_SCHEMA",
    "Correlation",
    "Filter",
    "Kind",
    "decode_correlation",
    "encode_correlation",
    "hits_frame",
    "joined_hits",
    "no_hits",
]
