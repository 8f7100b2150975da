"""A batch in both of its views, read by several detectors at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from hauberk.events import EventBatch

_made: list[int] = []


def _slow(batch: EventBatch) -> int:
    _made.append(threading.get_ident())
    time.sleep(0.05)
    return len(batch.tables)


def test_what_two_detectors_make_of_a_batch_at_once_is_made_once() -> None:
    _made.clear()
    batch = EventBatch("b", {})
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: batch.derived(_slow), range(4)))
    assert said == [0] * 4
    assert len(_made) == 1
