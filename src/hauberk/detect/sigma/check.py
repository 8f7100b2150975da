"""Faults of a rule tree: `python -m hauberk.detect.sigma.check [DIR ...]`, samples included.

Prints a line per fault, `file:line: rule: reason`, and exits with 1 when there is any.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from .checking import OWN_RULES, check_rules
from .reading import SAMPLES
from .samples import check_samples, samples_path


def main(arguments: Sequence[str]) -> int:
    """Check the folders or files given, the built-in rules without any; 1 on faults."""
    paths = [Path(argument) for argument in arguments] or [OWN_RULES]
    missing = [path for path in paths if not path.exists()]
    for path in missing:
        _say(f"{path}: there is no such file or folder")
    rules, found = check_rules(paths)
    faults = {(f.path, f.line, f.rule_id, f.reason) for f in found}
    faults |= {(f.path, f.line, f.rule_id, f.reason) for f in check_samples(rules)}
    expected = {samples_path(rule) for rule in rules.rules} | {
        Path(refusal.path).with_name(Path(refusal.path).stem + SAMPLES)
        for refusal in rules.refusals
    }
    expected |= {samples_path(one) for one in rules.correlations}
    for path in paths:
        stray = sorted(set(path.rglob(f"*{SAMPLES}")) - expected) if path.is_dir() else []
        faults |= {(str(one), 1, "", "stands beside no rule of that name") for one in stray}
    for file, line, uid, reason in sorted(faults):
        _say(f"{file}:{line}: {uid + ': ' if uid else ''}{reason}")
    correlations = f" and {len(rules.correlations)} correlations" if rules.correlations else ""
    _say(f"{len(rules.rules)} rules{correlations}, {len(faults)} faults")
    return 1 if faults or missing else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
