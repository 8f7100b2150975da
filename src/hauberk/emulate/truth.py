"""What the attackers did: one step, its techniques, and the records that show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from .times import iso


@dataclass(slots=True)
class Step:
    """One step of a campaign. `records` are 1-based record numbers by file under logs/.

    A record is a line that is no header; in CloudTrail, a member of `Records`.
    """

    campaign: str
    step: str
    tactic: str
    techniques: Sequence[str]
    words: str
    entities: Mapping[str, Sequence[str]]
    start: float = 0.0
    end: float = 0.0
    records: dict[str, list[int]] = field(default_factory=dict)

    def seen(self, file: str, record: int, time: float) -> None:
        """Count a record that this step left."""
        if not self.records:
            self.start = time
        self.start, self.end = min(self.start, time), max(self.end, time)
        self.records.setdefault(file, []).append(record)

    def line(self) -> bytes:
        """The step as one line of truth.jsonl."""
        return orjson.dumps(
            {
                "campaign": self.campaign,
                "step": self.step,
                "tactic": self.tactic,
                "techniques": list(self.techniques),
                "start": iso(self.start),
                "end": iso(self.end),
                "words": self.words,
                "entities": {kind: list(names) for kind, names in self.entities.items()},
                "records": [
                    {"file": file, "numbers": numbers} for file, numbers in self.records.items()
                ],
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
