"""How seldom a command looks for cycles among its objects."""

import atexit
import gc

_YOUNG = 50_000


def collect_seldom() -> None:
    """Look for cycles once in 50,000 new objects, and not at all when the process ends.

    Loading the rooms makes a hundred thousand objects and hardly a cycle. Before it ends, the
    interpreter would look through all that rules have learnt, 0.1 to 0.3 s after a large scan,
    to give back what the system takes back anyway.
    """
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
