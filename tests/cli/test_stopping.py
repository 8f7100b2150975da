"""What signals do to a command that ends by itself: real processes, real signals."""

import signal
import subprocess
import sys
import time

PRELUDE = """
import os, signal, threading, time
from hauberk.cli.stopping import ended_in_order, when_stopped
"""

TOLD_TWICE = """
def twice(gap):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(gap)
    os.kill(os.getpid(), signal.SIGTERM)

with when_stopped():
    for number in range(300):
        stop = threading.Event()
        with ended_in_order(stop):
            telling = threading.Thread(target=twice, args=[1e-5 * (number % 30)])
            telling.start()
            while not stop.is_set():
                stop.wait(0.002)
            telling.join()
print("ended in order", number + 1)
"""

BUSY = """
with when_stopped(), ended_in_order(stop := threading.Event()):
    print("begun", flush=True)
    stop.wait()
    print("told", flush=True)
    time.sleep(60)
"""


def begun(program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PRELUDE + program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_whoever_is_told_twice_at_once_ends_in_order() -> None:
    # Linux tells of a parent's death once for each of its threads.
    with begun(TOLD_TWICE) as process:
        said, faults = process.communicate(timeout=60)
    assert (said, faults, process.returncode) == ("ended in order 300\n", "", 0)


def test_a_second_signal_stops_what_takes_its_time() -> None:
    with begun(BUSY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "told\n"
        time.sleep(1.2)  # what comes sooner is the first one again
        process.send_signal(signal.SIGINT)
        _, faults = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert faults.startswith("stopped:")
