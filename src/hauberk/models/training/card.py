"""The model card: model, data and report in words, generated and never edited."""

from collections.abc import Mapping
from typing import Any

from .recipe import Recipe


def card(
    recipe: Recipe, model: Mapping[str, Any], data: Mapping[str, Any], report: Mapping[str, Any]
) -> str:
    """Markdown, the same for the same documents."""
    evaluation = report["evaluation"]
    failed = [gate["gate"] for gate in report["gates"] if not gate["passed"]]
    verdict = (
        f"**Not to be approved: {', '.join(failed)} failed.**" if failed else "All gates passed."
    )
    parts = [
        f"# {model['name']} {model['version']}",
        f"{recipe.question} {verdict}",
        "## What it is",
        f"- Task: {model['task']}; estimator: {model['estimator']}; classes: "
        f"{', '.join(model['classes'])}",
        f"- Alert threshold: score {model['thresholds']['alert']:.4f} "
        f"({recipe.alert_fpr:.1%} of ordinary calibration records)",
        f"- Confined while trained: {evaluation['sandbox']}",
        f"- Recipe digest: `{model['recipe_digest']}`",
        "## Data",
        _table(
            ("source", "rows", "distinct", "licence", "may be passed on", "for"),
            [
                (
                    one["name"],
                    one["rows"],
                    one["rows_after_dedupe"],
                    one["licence"],
                    "yes" if one["redistribution"] else "no",
                    one["purpose"],
                )
                for one in data["sources"]
            ],
        ),
        "## In distribution",
        "Groups on one side only; sources that were trained on.",
        _numbers(evaluation["in_distribution"]),
        "## Left out of training",
        _table(
            (
                "left out",
                "negatives",
                "positives",
                "AUC",
                "TPR at 1 %",
                "TPR at 0.1 %",
                "F1, local",
                "baseline TPR at 1 %",
            ),
            [
                (
                    name,
                    fold["negatives"],
                    fold["positives"],
                    *(
                        said(fold["numbers"].get(one))
                        for one in ("auc", "tpr_at_1pct", "tpr_at_0.1pct", "f1_local")
                    ),
                    said(evaluation["baseline"]["source_disjoint"][name].get("tpr_at_1pct")),
                )
                for name, fold in evaluation["source_disjoint"].items()
            ],
        ),
        f"Published, on other data: {recipe.published}.",
        "## Gates",
        _table(
            ("gate", "passed", "bound", "measured"),
            [
                (gate["gate"], "yes" if gate["passed"] else "**no**", gate["bound"], _bounded(gate))
                for gate in report["gates"]
            ],
        ),
        "## Limits",
        "\n".join(f"- {limit}" for limit in recipe.limits),
    ]
    return "\n\n".join(parts) + "\n"


def said(number: Mapping[str, float] | None) -> str:
    """A number with its interval."""
    if number is None:
        return "-"
    if number["low"] == number["high"]:
        return f"{number['value']:.3f}"
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def _bounded(gate: Mapping[str, Any]) -> str:
    named = [part.split(" ")[0] for part in gate["bound"].split("; ")]
    shown = [name for name in named if name in gate["measured"]] or list(gate["measured"])[:2]
    return "; ".join(f"{name} {said(gate['measured'][name])}" for name in shown)


def _numbers(numbers: Mapping[str, Mapping[str, float]]) -> str:
    return _table(("measure", "value"), [(name, said(one)) for name, one in numbers.items()])


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
