"""Small linear models that really judge, fitted on texts made here, and who approves them."""

import runpy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.governance import Conditions
from hauberk.models import (
    Artifact,
    Stage,
    Task,
    Version,
    digest_of,
    load_signing_key,
    promote,
    read_mail,
    register,
    sign,
    vote,
    write_artifact,
    write_tensors,
)
from hauberk.models.features import DomainFeatures, ExecutableFeatures, MailFeatures
from hauberk.models.features.characters import CharacterModel
from hauberk.models.features.domain import padded_labels
from hauberk.models.features.words import Vocabulary
from hauberk.models.linear import LinearModel

_models = Path(__file__).parents[1] / "models"
office: dict[str, Any] = runpy.run_path(str(_models / "office.py"))
making: dict[str, Any] = runpy.run_path(str(_models / "making.py"))
Office: Any = office["Office"]

HAM = ["the minutes of the meeting are attached", "lunch on friday with the team again",
       "the build of the compiler is green", "notes about the garden and the weather"]  # fmt: skip
PHISH = ["verify your account password now or it is suspended",
         "your bank account is locked confirm your password",
         "urgent click to verify your payment", "confirm your identity password now"]  # fmt: skip
WORDS = ["garden", "weather", "library", "market", "holiday", "kitchen", "window", "bridge"]


def mail(text: str, number: int, to: str = "bob@example.org", day: int = 4) -> bytes:
    return (
        f"From: sender{number}@example.net\nTo: {to}\nSubject: {text[:30]}\n"
        f"Message-ID: <{number}-{day}@example.net>\n"
        f"Date: Mon, {day:02d} Mar 2024 12:00:00 +0000\n\n{text}.\nhttps://www.example.com/{number}\n"
    ).encode()


def made_up(number: int) -> str:
    chance = np.random.default_rng(number)
    return "".join(chance.choice(list("bcdfghjklmnpqrstvwxz0123456789"), 14)) + ".com"


def ordinary(number: int) -> str:
    return f"{WORDS[number % 8]}{WORDS[number // 8 % 8]}.com"


def _fitted(features: Any, good: Sequence[Any], bad: Sequence[Any]) -> tuple[LinearModel, Any]:
    """Weights that tell the two apart, and the scores of the good."""
    one, other = features.extract(good), features.extract(bad)
    grams = np.zeros(other.sparse.width if other.sparse else 0, dtype=np.float64)
    if other.sparse:
        np.add.at(grams, other.sparse.columns, other.sparse.values / len(bad))
        np.add.at(grams, one.sparse.columns, -one.sparse.values / len(good))
    width = len(features.names)
    middle = (one.dense.mean(0) + other.dense.mean(0)) / 2
    way = np.sign(other.dense.mean(0) - one.dense.mean(0)) * (0 if other.sparse else 1)
    model = LinearModel(
        (20 * grams).astype(np.float32),
        middle.reshape(width, 1).astype(np.float32),
        np.stack([-way, way], axis=1).astype(np.float32),
        0.0,
    )
    return model, model.score(one)


def artifact(folder: Path, task: Task, version: str = "1.0.0", alert: float = 0.5) -> Artifact:
    """A model of a task, written to a folder; it alerts `alert` above all that is ordinary."""
    features: Any
    good: list[Any]
    bad: list[Any]
    if task is Task.MAIL:
        features = MailFeatures(("text",), 12)
        good = [read_mail(mail(text, at)) for at, text in enumerate(HAM * 10)]
        bad = [read_mail(mail(text, at)) for at, text in enumerate(PHISH * 10)]
    elif task is Task.DOMAIN:
        good, bad = [ordinary(at) for at in range(64)], [made_up(at) for at in range(64)]
        labels = padded_labels([one.split(".")[0] for one in good])
        features = DomainFeatures(
            CharacterModel.learn(labels), Vocabulary.of_counts(dict.fromkeys(WORDS, 9), 4), 12
        )
    else:
        features = ExecutableFeatures(("SizeOfCode", "NumberOfSections", "filesize"))
        good, bad = [[4096.0, 5.0, 9000.0]] * 20, [[64.0, 2.0, 600.0]] * 20
    model, scores = _fitted(features, good, bad)
    scores = np.unique(np.round(scores, 6))
    if len(scores) < 2:
        scores = np.array([scores[0] - 1, scores[0]])
    top = float(scores[-1])
    knots = [*scores.tolist(), top + 1, top + 2]
    learned = features.learned()
    schema = dict(learned.schema)
    document = making["model_json"](
        name=f"tiny-{task}", version=version, task=str(task), estimator="linear",
        features={"schema": schema, "digest": digest_of(schema)},
        thresholds={"alert": top + alert},
        calibration={
            "scores": knots,
            "p_values": [*np.linspace(1.0, 0.01, len(knots) - 2).tolist(), 0.005, 0.001],
        },
        scope={"task": str(task)},
        parameters={"probability": {"slope": 1.0, "offset": -top}},
    )  # fmt: skip
    weights = write_tensors({**learned.arrays, **model.arrays()})
    return write_artifact(
        folder, model=document, data=making["data_json"](), report=making["report_json"](),
        card=f"# tiny-{task} {version}\n", weights={"weights.safetensors": weights},
    )  # fmt: skip


def last_tuesday() -> datetime:
    """A time within the policy's hours of promotion that lies shortly before now."""
    now = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0)
    return now - timedelta(days=(now.weekday() - 1) % 7 or 7)


def opened(folder: Path) -> Any:
    return Office.open(folder, clock=office["Clock"](last_tuesday()))


def approved(
    desk: Any,
    task: Task,
    version: str = "1.0.0",
    conditions: Conditions | None = None,
    alert: float = 0.5,
) -> Version:
    """A registered, signed and approved model."""
    made = artifact(desk.folder / f"{task}-{version}", task, version, alert)
    register(desk.home, made.folder, desk.keys["ada"])
    sign(
        desk.home, desk.version(made.digest),
        load_signing_key(desk.folder / "keys" / "signing.pem"),
    )  # fmt: skip
    for name in ("sam", "pia", "lea", "cem"):
        vote(desk.home, desk.keys[name], desk.version(made.digest), approve=True,
             conditions=conditions)  # fmt: skip
    found: Version = desk.version(made.digest)
    return found


def raised(desk: Any, version: Version, to: Stage, share: float | None = None) -> Version:
    """The same at a stage."""
    while desk.version(version.artifact).stage is not to:
        promote(desk.home, desk.keys["sam"], version, share=share)
    found: Version = desk.version(version.artifact)
    return found
