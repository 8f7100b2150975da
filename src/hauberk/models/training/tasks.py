"""What differs between tasks: their readers, their features, and the simple baseline."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hauberk.errors import UsageError
from hauberk.models.documents import Task
from hauberk.models.features.characters import CharacterModel
from hauberk.models.features.domain import (
    LEAST_NAMES,
    DomainFeatures,
    common_pieces,
    padded_labels,
    registered,
)
from hauberk.models.features.executable import COLUMNS, ExecutableFeatures
from hauberk.models.features.mail_features import VIEWS, MailFeatures, lacking
from hauberk.models.features.url import UrlFeatures
from hauberk.models.features.words import Vocabulary

from .generators import sweep
from .mail_reading import MAIL_READERS
from .pool import Features
from .reading import DOMAIN_READERS, Reader, made_up
from .recipe import Recipe
from .samples import Samples
from .url_reading import EXECUTABLE_READERS, URL_READERS

Words = Mapping[str, int]
"""In how many texts of the `words` sources each word occurs."""

_WORD = re.compile(rb"(?<![a-z=])[a-z]{2,16}(?![a-z=])")
_LONGEST_TEXT = 200_000
_COMMON = 12
_MOST_LACKING = 0.5


@dataclass(frozen=True, slots=True)
class TaskKit:
    """A task's readers, how its features are learned from training rows, and its baseline.

    `learn` sees the recipe, the rows that features may learn from, and the `words` sources.
    `baseline` names the numbers that a simple model would use.
    """

    readers: Mapping[str, Reader]
    learn: Callable[[Recipe, Samples, Words], Features]
    sweep: Callable[[Recipe, Words], Samples | None]
    baseline: tuple[str, ...]


def word_counts(files: Mapping[str, Sequence[bytes]]) -> Words:
    """In how many files each word of two to sixteen letters occurs, without their heads."""
    counts: Counter[bytes] = Counter()
    for blobs in files.values():
        for blob in blobs:
            body = blob[:_LONGEST_TEXT].partition(b"\n\n")[2]
            counts.update(set(_WORD.findall(body.lower())))
    return {word.decode(): counts[word] for word in sorted(counts)}


def _learn_domain(recipe: Recipe, samples: Samples, words: Words) -> Features:
    ordinary = samples.where(label=0, parts=("learn",))
    labels = registered([samples.records[row] for row in ordinary])["label"].to_list()
    least = int(recipe.features.get("least_word_count", 4))
    return DomainFeatures(
        CharacterModel.learn(padded_labels(labels)),
        Vocabulary.of_counts(words, least),
        int(recipe.features.get("gram_bits", 0)),
        Vocabulary.of_counts(common_pieces(labels), LEAST_NAMES),
    )


def _learn_mail(recipe: Recipe, samples: Samples, words: Words) -> Features:  # noqa: ARG001
    views = tuple(str(view) for view in recipe.features.get("views", ("text", "sender")))
    for view in views:
        if view not in VIEWS:
            raise UsageError(f"there is no view {view}", where="features.views",
                             hint=f"Views: {', '.join(VIEWS)}")  # fmt: skip
        for source in np.unique(samples.sources):
            rows = samples.where(sources=(str(source),), parts=("train", "calibrate", "test"))
            missing = [lacking(view, samples.records[row]) for row in rows]
            if missing and np.mean(missing) > _MOST_LACKING:
                raise UsageError(
                    f"{np.mean(missing):.0%} of the mails of {source} lack what the view {view} "
                    "needs: the model would learn which source a mail is from",
                    where="features.views",
                )
    return MailFeatures(views, int(recipe.features.get("gram_bits", 17)))


def _learn_url(recipe: Recipe, samples: Samples, words: Words) -> Features:  # noqa: ARG001
    return UrlFeatures(int(recipe.features.get("gram_bits", 17)))


def _learn_executable(recipe: Recipe, samples: Samples, words: Words) -> Features:  # noqa: ARG001
    columns = tuple(str(one) for one in recipe.features.get("columns", COLUMNS))
    return ExecutableFeatures(columns)


def _sweep_domains(recipe: Recipe, words: Words) -> Samples | None:
    source = next((one for one in recipe.sources if one.reader == "generators"), None)
    if source is None:
        return None
    common = [word for word, count in words.items() if count >= _COMMON and 3 <= len(word) <= 10]
    count = int(recipe.features.get("sweep_names", 24_000))
    generators = int(recipe.features.get("sweep_generators", 240))
    return made_up(source, sweep(count, generators, common, recipe.seeds[0]))


def _no_sweep(recipe: Recipe, words: Words) -> Samples | None:  # noqa: ARG001
    return None


KITS: dict[Task, TaskKit] = {
    Task.URL: TaskKit(
        URL_READERS, _learn_url, _no_sweep, ("length", "host_length", "path_depth", "digits")
    ),
    Task.EXECUTABLE: TaskKit(
        EXECUTABLE_READERS, _learn_executable, _no_sweep, ("E_file", "filesize", "NumberOfSections")
    ),
    Task.MAIL: TaskKit(MAIL_READERS, _learn_mail, _no_sweep, VIEWS["text"]),
    Task.DOMAIN: TaskKit(
        DOMAIN_READERS, _learn_domain, _sweep_domains, ("length", "entropy", "vowel_share")
    ),
}


def kit_of(task: Task) -> TaskKit:
    """The task's kit. Raises UsageError where there is none."""
    if task not in KITS:
        raise UsageError(f"nothing is trained for the task {task}")
    return KITS[task]
