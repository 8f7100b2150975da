"""Sigma rules, compiled together and matched once per distinct value."""

from .detector import SigmaDetector, sigma_detector
from .engine import Engine
from .explain import Reason, explain
from .loading import built_in_rules, load_rules
from .program import Refusal, Rule, RuleSet
from .samples import SampleFault, check_samples
from .taxonomy import LogSource, Selector, Taxonomy, load_taxonomy

__all__ = [
    "Engine",
    "LogSource",
    "Reason",
    "Refusal",
    "Rule",
    "RuleSet",
    "SampleFault",
    "Selector",
    "SigmaDetector",
    "Taxonomy",
    "built_in_rules",
    "check_samples",
    "explain",
    "load_rules",
    "load_taxonomy",
    "sigma_detector",
]
