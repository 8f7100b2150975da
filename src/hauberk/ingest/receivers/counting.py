"""What receivers count of each source, read by whoever tells people how it keeps up."""

from dataclasses import dataclass


@dataclass(slots=True)
class Received:
    """Sums of one source since the receivers began; one thread writes, others may read."""

    records: int = 0
    bytes: int = 0
    dropped: int = 0  # datagrams that came and were lost: UDP cannot hold its senders back
    cut: int = 0  # messages of which only the start was kept
    refused: int = 0  # connections and requests that were turned away
    held_back: int = 0  # times that a sender was made to wait
    connections: int = 0  # open now
    strange: str = ""  # why the last body was refused that no format of the contract knows
    strangers: int = 0  # such bodies
