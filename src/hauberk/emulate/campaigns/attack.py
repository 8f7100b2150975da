"""What every campaign uses: its own dice, and steps whose records are remembered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hauberk.emulate.company import Company
from hauberk.emulate.dice import Dice
from hauberk.emulate.times import DAY, HOUR, weekday
from hauberk.emulate.truth import Step


class Attack:
    """One campaign against one company."""

    def __init__(self, company: Company, name: str, steps: list[Step]) -> None:
        self.company = company
        self.name = name
        self.dice = Dice.of(company.seed, "campaign", name)
        self._steps = steps

    @contextmanager
    def step(
        self, name: str, tactic: str, techniques: Sequence[str], words: str,
        **entities: Sequence[str],
    ) -> Iterator[None]:  # fmt: skip
        """Whatever is logged within is of this step. No yield to the agenda in between."""
        known = [step for step in self._steps if (step.campaign, step.step) == (self.name, name)]
        step = known[0] if known else Step(self.name, name, tactic, techniques, words, entities)
        if not known:
            self._steps.append(step)
        logs = self.company.logs
        before, logs.marked = logs.marked, step
        try:
            yield
        finally:
            logs.marked = before

    def office_time(self, earliest: float, latest: float) -> float:
        """A time of day (in hours, between two) of the first working day that suits."""
        night = self.company.start
        days = int((self.company.until - night) // DAY)
        late = [at for at in range(days) if weekday(night + at * DAY) < 5] or [0]
        day = late[min(len(late) - 1, int(self.dice.uniform(0.3, 0.8) * len(late)))]
        return night + day * DAY + self.dice.uniform(earliest, latest) * HOUR

    def site(self, *hints: str) -> str:
        """A domain of the attacker's, sounding like nothing in particular."""
        dice = self.dice
        hint = dice.choice(hints) + "-" if hints and dice.chance(0.5) else ""
        ending = dice.choice(("example", "test"))
        name = f"{hint}{dice.letters(dice.randrange(5, 11))}.{ending}"
        self.company.rent(name)
        return name

    def word(self, low: int = 5, high: int = 9) -> str:
        """A meaningless name."""
        return self.dice.letters(self.dice.randrange(low, high))
