"""`hauberk models watch`: what models do at work, held against the policy's bounds."""

from hauberk.detect.models import watched as measured
from hauberk.errors import ExitCode
from hauberk.models import Watched

from . import acting
from .home import Home
from .models import models_app


@models_app.command("watch")
def watch(home: Home = None, json: acting.Json = False) -> ExitCode:
    """Measure models at work: drift, calibration, latency, errors, estimates; judge canaries.

    Each measure is an event. Drift asks for retraining; a harmful canary is taken down. `hauberk
    scan` and `hauberk watch` do the same whenever models have judged something new.
    """
    with acting.for_writing(home) as opened:
        found = measured(opened)
    if json:
        acting.tell_json([_facts(one) for one in found])
        return ExitCode.OK
    if not found:
        acting.tell(["no model is at work: rules stand alone"])
    for one in found:
        acting.tell(_lines(one))
    return ExitCode.OK


def _lines(watched: Watched) -> list[str]:
    lines = [f"{watched.version.name} ({watched.version.stage})"]
    lines += [
        f"  {'BEYOND' if one.breached else 'within'}  {one.metric} {one.value:.4g}"
        f" (bound {one.bound:g}, {one.samples:,} samples){f': {one.detail}' if one.detail else ''}"
        for one in watched.measures
    ]
    if not watched.measures:
        lines.append("  too few judgements to measure")
    if watched.retraining:
        lines.append("  retraining was asked for")
    if watched.canary is not None:
        lines.append(f"  as a canary: {watched.canary.verdict}")
    return lines


def _facts(watched: Watched) -> dict[str, object]:
    return {
        "model": watched.version.name,
        "stage": watched.version.stage,
        "retraining": watched.retraining,
        "canary": watched.canary.verdict if watched.canary else None,
        "measures": [
            {
                "metric": one.metric, "value": one.value, "bound": one.bound,
                "samples": one.samples, "breached": one.breached, "detail": one.detail,
            }
            for one in watched.measures
        ],
    }  # fmt: skip
