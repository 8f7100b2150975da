"""Size, and whether a record is judged within a millisecond of CPU time.

The time itself differs from run to run and is printed, not written: the artifact of the same
inputs must be the same to the bit.
"""

import time

from hauberk.models.evaluation import exact

from .interface import Answer, Trial

RECORDS = 1000
LIMIT_MS = 5.0


def milliseconds_a_record(trial: Trial) -> float:
    """CPU time of features and score, in batches of a thousand records."""
    rows = trial.test[:RECORDS]
    records = [trial.pool.samples.records[row] for row in rows]
    begun = time.process_time()
    trial.estimator.score(trial.pool.features.extract(records))
    return (time.process_time() - begun) * 1000 / max(len(records), 1)


class Cost:
    """Is it small and fast enough for the path of events."""

    name = "cost"

    def __call__(self, trial: Trial) -> Answer:
        """Mebibytes of its files; `slow` is 1 where a record takes over five milliseconds."""
        size = sum(len(blob) for blob in trial.weights.values()) / (1 << 20)
        slow = float(milliseconds_a_record(trial) > LIMIT_MS)
        return Answer(
            {"mebibytes": exact(size), "slow": exact(slow)},
            f"features and score of {RECORDS} records at once, CPU time; slow is 1 above "
            f"{LIMIT_MS:g} ms a record",
        )
