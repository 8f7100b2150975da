"""Sigma rules, compiled together and matched once per distinct value."""

from .checking import Fault, check_rules
from .detector import SigmaDetector, sigma_detector
from .engine import Engine
from .explain import Reason, explain
from .loading import built_in_rules, load_rules
from .program import Refusal, Rule, RuleSet
from .reading import rule_files
from .samples import SampleFault, check_samples
from .taxonomy import LogSource, Selector, Taxonomy, load_taxonomy
from .trace import Trace, trace

__all__ = [
    "Engine",
    "Fault",
    "LogSource",
    "Reason",
    "Refusal",
    "Rule",
    "RuleSet",
    "SampleFault",
    "Selector",
    "SigmaDetector",
    "Taxonomy",
    "Trace",
    "built_in_rules",
    "check_rules",
    "check_samples",
    "explain",
    "load_rules",
    "load_taxonomy",
    "rule_files",
    "sigma_detector",
    "trace",
]
