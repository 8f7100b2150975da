"""What differs between tasks: their readers, their features, and the simple baseline."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hauberk.errors import UsageError
from hauberk.models.documents import Task
from hauberk.models.features.characters import CharacterModel
from hauberk.models.features.domain import DomainFeatures, padded_labels, registered
from hauberk.models.features.words import Vocabulary

from .generators import sweep
from .pool import Features
from .reading import DOMAIN_READERS, Reader, made_up
from .recipe import Recipe
from .samples import Samples

Words = Mapping[str, int]
"""In how many texts of the `words` sources each word occurs."""

_WORD = re.compile(rb"(?<![a-z=])[a-z]{2,16}(?![a-z=])")
_LONGEST_TEXT = 200_000
_COMMON = 12


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
    )


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
    Task.DOMAIN: TaskKit(
        DOMAIN_READERS, _learn_domain, _sweep_domains, ("length", "entropy", "vowel_share")
    ),
}


def kit_of(task: Task) -> TaskKit:
    """The task's kit. Raises UsageError where there is none."""
    if task not in KITS:
        raise UsageError(f"nothing is trained for the task {task}")
    return KITS[task]
