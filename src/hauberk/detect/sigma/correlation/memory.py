"""What correlations remember, as tables, and what is forgotten when it grows too large."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from hauberk.detect import State
from hauberk.events import TIME

from .hits import joined_hits, no_hits
from .stepping import OPEN_SCHEMA, no_rows

CAPACITY = 200_000
"""Rows that are held for all correlations together."""

FAIR = 100
"""Newest rows that every group keeps while any larger group has more."""

_ROOM = 0.75
"""Share of the capacity that is left after forgetting, so that forgetting is rare."""

FORGOTTEN_SCHEMA = pl.Schema({"correlation": pl.String(), "rows": pl.Int64(), "groups": pl.Int64()})


@dataclass(frozen=True, slots=True)
class Memory:
    """The state of all correlations.

    `done`: everything before it was judged (microseconds since 1970). `latest`: the newest time
    seen. `waiting`: hits from `done` on. `held` and `opened`: rows and open matches by uid of the
    correlation. `late`: hits that came after their time was judged. `forgotten`: uid to rows and
    groups.
    """

    done: int | None = None
    latest: int | None = None
    waiting: pl.DataFrame = field(default_factory=no_hits)
    held: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    opened: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    late: int = 0
    forgotten: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Rows that are held."""
        return sum(frame.height for frame in self.held.values())


def none_open() -> pl.DataFrame:
    """A frame of open matches without any."""
    return pl.DataFrame(schema=OPEN_SCHEMA)


def as_state(memory: Memory) -> State:
    """A memory as named tables."""
    clock = pl.DataFrame(
        {"done": [memory.done], "latest": [memory.latest], "late": [memory.late]},
        schema={"done": pl.Int64, "latest": pl.Int64, "late": pl.Int64},
    ).with_columns(pl.col("done", "latest").cast(TIME))
    return {
        "clock": clock,
        "waiting": memory.waiting,
        "held": _together(memory.held, no_rows()),
        "opened": _together(memory.opened, none_open()),
        "forgotten": pl.DataFrame(
            [(uid, *counts) for uid, counts in sorted(memory.forgotten.items())],
            schema=FORGOTTEN_SCHEMA,
            orient="row",
        ),
    }


def from_state(state: State) -> Memory:
    """A memory from named tables; an empty one from the empty state."""
    if not state:
        return Memory()
    done, latest, late = state["clock"].with_columns(pl.col("done", "latest").cast(pl.Int64)).row(0)
    return Memory(
        done,
        latest,
        joined_hits([state["waiting"]]),
        _apart(state["held"]),
        _apart(state["opened"]),
        late,
        {uid: (rows, groups) for uid, rows, groups in state["forgotten"].iter_rows()},
    )


def _together(frames: Mapping[str, pl.DataFrame], empty: pl.DataFrame) -> pl.DataFrame:
    named = [
        frame.with_columns(pl.lit(uid).alias("correlation"))
        for uid, frame in sorted(frames.items())
        if frame.height
    ]
    none = empty.with_columns(pl.lit(None, pl.String).alias("correlation"))
    return pl.concat([none, *named], how="diagonal")


def _apart(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = frame.partition_by("correlation", as_dict=True, include_key=False)
    return {str(uid): part for (uid,), part in parts.items()}


def forget(memory: Memory, capacity: int) -> Memory:
    """Make room where more than `capacity` rows are held, and count what was lost.

    First the largest groups lose their oldest rows, all down to one size, so that a flood costs
    itself and no quiet group; no group is cut below FAIR rows. Where that is not enough, the groups
    that were silent longest are forgotten whole.
    """
    if memory.size <= capacity:
        return memory
    room = int(capacity * _ROOM)
    rows = pl.concat(
        [
            frame.select(pl.lit(uid).alias("correlation"), "group", "time")
            for uid, frame in memory.held.items()
        ]
    ).with_row_index("row")
    of_group = ["correlation", "group"]
    ranked = rows.with_columns(
        pl.col("row").rank("ordinal", descending=True).over(of_group).alias("age")
    )
    sizes = ranked.group_by(of_group).agg(
        pl.len().alias("size"), pl.col("time").max().alias("last")
    )
    level = max(FAIR, _level(sizes["size"], room))
    by_silence = sizes.sort("last", "correlation", "group", descending=[True, False, False])
    remaining = by_silence.with_columns(pl.min_horizontal("size", pl.lit(level)).alias("kept"))
    alive = remaining.filter(pl.col("kept").cum_sum() <= room).select(of_group)
    kept = ranked.filter(pl.col("age") <= level).join(alive, on=of_group, how="semi")
    return _only(memory, rows, kept, sizes, alive)


def _level(sizes: pl.Series, room: int) -> int:
    """The size to which the largest groups are cut, so that all together fit into `room`."""
    ordered = sizes.sort(descending=True).to_list()
    total, level = sum(ordered), ordered[0]
    for number, following in enumerate([*ordered[1:], 0], 1):
        if total - number * (level - following) <= room:
            return int(level - -(-(total - room) // number)) if total > room else int(level)
        total -= number * (level - following)
        level = following
    return 0


def _only(
    memory: Memory, rows: pl.DataFrame, kept: pl.DataFrame, sizes: pl.DataFrame, alive: pl.DataFrame
) -> Memory:
    mask = pl.Series("kept", [False]).new_from_index(0, rows.height)
    mask = mask.scatter(kept["row"], values=True) if kept.height else mask
    held, opened, place = {}, {}, 0
    forgotten = dict(memory.forgotten)
    gone = sizes.join(alive, on=["correlation", "group"], how="anti")
    for uid, frame in memory.held.items():
        held[uid] = frame.filter(mask.slice(place, frame.height))
        place += frame.height
        groups = gone.filter(pl.col("correlation") == uid)
        opened[uid] = memory.opened.get(uid, none_open()).join(groups, on="group", how="anti")
        lost = frame.height - held[uid].height
        if lost:
            before = forgotten.get(uid, (0, 0))
            forgotten[uid] = (before[0] + lost, before[1] + groups.height)
    return replace(memory, held=held, opened=opened, forgotten=forgotten)
