"""ATT&CK coverage as a layer of the ATT&CK Navigator.

Source: ATT&CK Navigator layer file format 4.5.
"""

from collections import Counter
from collections.abc import Iterable

from hauberk import __version__
from hauberk.events import Tactic, techniques

ATTACK_VERSION = "18"
_LAYER_VERSION = "4.5"
_COLOURS = ("#ffffff", "#8fb8de", "#1f4e79")
_MANY = 10
"""Rules of one technique at which its colour is full."""


def coverage(tagged: Iterable[Iterable[str]]) -> Counter[str]:
    """How many rules name each technique, given each rule's techniques."""
    return Counter(technique for each in tagged for technique in set(each))


def by_tactic(counts: Counter[str]) -> list[tuple[Tactic, int, int, int]]:
    """Per tactic, in order: techniques and sub-techniques named, how many there are, rules."""
    rows = []
    for tactic in Tactic:
        mine = [one.id for one in techniques().values() if tactic in one.tactics]
        named = [one for one in mine if counts[one]]
        rows.append((tactic, len(named), len(mine), sum(counts[one] for one in named)))
    return rows


def layer(counts: Counter[str], name: str = "Hauberk rules") -> dict[str, object]:
    """A Navigator layer: each technique scored by the number of rules that name it."""
    known = techniques()
    return {
        "name": name,
        "versions": {"attack": ATTACK_VERSION, "navigator": "5.1.0", "layer": _LAYER_VERSION},
        "domain": "enterprise-attack",
        "description": f"Techniques that Sigma rules name, counted by Hauberk {__version__}",
        "sorting": 3,
        "gradient": {"colors": list(_COLOURS), "minValue": 0, "maxValue": _MANY},
        "hideDisabled": False,
        "techniques": [
            {
                "techniqueID": technique,
                "score": number,
                "comment": f"{number} rule{'s' if number != 1 else ''}",
                "showSubtechniques": False,
            }
            for technique, number in sorted(counts.items())
            if technique in known
        ],
    }
