"""Work that hangs is left behind; work that fails fails as it would without a bound."""

import threading
import time

import pytest

from hauberk.pipeline import bounded
from hauberk.pipeline.bounded import HungError, Within
from hauberk.pipeline.troubles import LASTING_SECONDS, MOST, REPEAT_SECONDS, Troubles


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_what_ends_in_time_returns_and_raises_as_ever(stop: threading.Event) -> None:
    within = Within(stop)
    assert within(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 // 0)
    with pytest.raises(TimeoutError):  # its own, which is no hang
        within(lambda: (_ for _ in ()).throw(TimeoutError()))


def test_python_that_loops_is_told_of_and_its_thread_ends(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "HANG_SECONDS", 0.2)

    def loop() -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001  # as stubborn as code can be
                continue

    with pytest.raises(HungError, match="has not ended"):
        Within(stop)(loop)
    end = time.monotonic() + 30
    while any(one.name == "bounded" for one in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_is_to_end_does_not_wait_as_long(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ENDING_SECONDS", 0.2)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    release = threading.Event()
    with pytest.raises(HungError):
        Within(stop)(release.wait)
    assert time.monotonic() - began < bounded.HANG_SECONDS / 2
    release.set()


def test_a_trouble_is_told_now_and_then_and_forgotten_once_it_is_long_ago() -> None:
    clock = [0.0]
    troubles = Troubles(lambda: clock[0])
    assert troubles.add("a", "a failed")
    assert not troubles.add("a", "a failed")
    assert troubles.add("b", "b hangs", standing=True)
    clock[0] = REPEAT_SECONDS
    assert troubles.add("a", "a failed again")
    assert list(troubles.current) == ["a failed again (3 times)", "b hangs"]
    clock[0] += LASTING_SECONDS
    assert list(troubles.current) == ["b hangs"]


def test_troubles_do_not_grow_without_end() -> None:
    troubles = Troubles()
    for number in range(MOST * 3):
        troubles.add(str(number), f"{number} failed")
    assert len(troubles.current) == MOST
