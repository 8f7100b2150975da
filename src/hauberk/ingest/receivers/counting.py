"""What receivers count of each source, read by whoever tells people how it keeps up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Received:
    """Sums of one source since the receivers began; one thread writes, others may read."""

    records: int = 0
    bytes: int = 0
    dropped: int = 0  # what came and was lost: UDP cannot hold its senders back, and a bus forgets
    cut: int = 0  # messages of which only the start was kept
    refused: int = 0  # connections and requests that were turned away
    held_back: int = 0  # times that a sender was made to wait
    connections: int = 0  # open now
    strange: str = ""  # why the last body was refused that no format of the contract knows
    strangers: int = 0  # such bodies
    again: int = 0  # messages of a bus and named bodies that came again, and are kept once
    lag: int | None = None  # messages that a bus holds for us; None where nobody knows
    fault: str = ""  # what keeps us from the bus now
