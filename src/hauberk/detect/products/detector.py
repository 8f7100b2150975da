"""Alerts of other products, one finding for each hour of an alert type on a host, with a surprise.

A finding's uid is made of the type, the host and the hour: when more alerts of an hour arrive
with a later batch, the finding is said again under the same uid, with all of them.
"""

import numpy as np
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, EventClass, FindingKind, findings_frame

from .memory import recall
from .report import finding_row
from .tiles import COLUMNS, TILE_SCHEMA, join_tiles, tiles

ORDINARY = 0.5
"""An alert that more than this share of the host's hours bring is the usual state of things:
it enters the baseline and is not reported."""


class ProductFindings:
    """Folds other products' alerts into findings and says how unusual each is here.

    State is kept in whole hours. The last hour of a batch stays pending: it is judged and
    reported, and enters the baseline once a later hour is seen, so that no cut changes the
    baseline that an hour is judged against.
    """

    spec = DetectorSpec(
        name="product-findings",
        version="1",
        kind=FindingKind.PRODUCT,
        title="Alerts of other products that are unusual here",
        columns={EventClass.DETECTION_FINDING: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of the hours that the batch touches, and the state after it."""
        fresh = tiles(batch)
        if fresh.is_empty():
            return findings_frame([]), state
        touched = fresh.select("hour", "product", "analytic", "entity")
        pending = state.get("pending", pl.DataFrame(schema=TILE_SCHEMA))
        memory = recall(state, join_tiles(pending, fresh))
        reported = memory.tiles.join(
            touched.with_columns(touched=True),
            on=touched.columns,
            how="left",
            maintain_order="left",
        )["touched"].fill_null(value=False)
        hours = memory.tiles["hour"].to_numpy()
        bounds = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1, append=hours[-1] + 1))
        rows: list[dict[str, object]] = []
        # A loop over hours: each is judged against all before it, whose weights hang on their
        # own judgements. Within an hour everything is columns.
        for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            hour = int(hours[first])
            positions = memory.hour(first, end)
            memory.baseline.advance(hour)
            judgement = memory.baseline.judge(positions)
            speaks = np.flatnonzero(
                (judgement.surprise <= ORDINARY) & reported[first:end].to_numpy()
            )
            rows += [
                finding_row(self.spec, memory, first + index, judgement, index)
                for index in speaks.tolist()
            ]
            if end < len(hours):
                memory.baseline.enter(hour, positions, judgement)
        last = memory.tiles.slice(int(bounds[-2]))
        return findings_frame(rows), memory.state(last)
