"""Sigma rules, compiled together and matched once per distinct value."""

from .checking import Fault, check_rules
from .correlation import Correlation, Filter, joined_hits
from .correlation.detecting import CorrelationDetector
from .detector import SigmaDetector, sigma_detector
from .engine import Engine
from .explain import Reason, explain
from .loading import built_in_rules, load_rules
from .placeholders import load_placeholders
from .program import Refusal, Rule, RuleSet
from .reading import rule_files
from .samples import SampleFault, check_samples
from .suppression import Suppression, Suppressions, filter_detection
from .taxonomy import LogSource, Selector, Taxonomy, load_taxonomy
from .trace import Trace, trace

__all__ = [
    "Correlation",
    "CorrelationDetector",
    "Engine",
    "Fault",
    "Filter",
    "LogSource",
    "Reason",
    "Refusal",
    "Rule",
    "RuleSet",
    "SampleFault",
    "Selector",
    "SigmaDetector",
    "Suppression",
    "Suppressions",
    "Taxonomy",
    "Trace",
    "built_in_rules",
    "check_rules",
    "check_samples",
    "explain",
    "filter_detection",
    "joined_hits",
    "load_placeholders",
    "load_rules",
    "load_taxonomy",
    "rule_files",
    "sigma_detector",
    "trace",
]
