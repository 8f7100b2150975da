"""Findings into clusters: through the entities they share, near in time, rarest entity first.

Findings of one analytic within half a minute belong together whatever they name: who reaches ten
hosts at once has done one thing. Two others belong together when both name an entity that joins
(not a hub: a domain controller or a service account is in everybody's findings) and the time
between them is short for how telling that entity is. Findings that say little (p above
BRIDGE_SURPRISE) attach to a cluster but never join two.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from .surprise import AT_ONCE_SECONDS, evidence_bits

BRIDGE_SURPRISE = 0.03
"""Findings less surprising than this tell too little to join two stories."""

JOIN_HOURS = 12.0
"""Longest silence on an entity of full weight between telling findings of one story, in hours."""

TELLING_BITS = 5.0
"""Bits from which a finding bridges the whole silence; a weaker one bridges its share of it."""

HUB_PARTNERS = 12
"""Hosts or users met together with an entity in findings before it counts as a hub."""

MAX_HOSTS = 40
"""Hosts in one cluster before it is cut again along its most telling entities only."""


_KIND_WEIGHT = {
    "host": 1.0, "user": 1.0, "ip": 0.8, "process": 1.0, "principal": 1.0,
    "mailbox": 1.0, "domain": 0.6, "hash": 1.0, "file": 0.4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """How readily findings join; the defaults are the constants above."""

    bridge_surprise: float = BRIDGE_SURPRISE
    join_hours: float = JOIN_HOURS
    hub_partners: int = HUB_PARTNERS
    max_hosts: int = MAX_HOSTS


def entity_weights(findings: pl.DataFrame, settings: FusionSettings) -> pl.DataFrame:
    """How strongly each entity joins: one row an entity (entity, weight 0..1, partners).

    The weight falls with the number of distinct hosts and users that surprising findings name
    together with the entity, and reaches zero for hubs.
    """
    telling = findings.filter(pl.col("surprise") <= settings.bridge_surprise)
    pairs = telling.select("row", pl.col("entities").alias("entity")).explode("entity").drop_nulls()
    people = pairs.filter(pl.col("entity").str.contains(r"^(host|user|principal):")).rename(
        {"entity": "partner"}
    )
    partners = (
        pairs.join(people, on="row")
        .filter(pl.col("entity") != pl.col("partner"))
        .group_by("entity")
        .agg(pl.col("partner").n_unique().alias("partners"))
    )
    kind = pl.col("entity").str.split(":").list.first()
    full = kind.replace_strict(_KIND_WEIGHT, default=0.3, return_dtype=pl.Float64)
    crowd = (pl.col("partners") / settings.hub_partners).clip(0.0, 1.0)
    return (
        pairs.select("entity")
        .unique()
        .join(partners, on="entity", how="left")
        .with_columns(pl.col("partners").fill_null(0))
        .with_columns((full * (1.0 - crowd)).alias("weight"))
    )


def cluster(
    findings: pl.DataFrame,
    settings: FusionSettings | None = None,
    weights: pl.DataFrame | None = None,
) -> npt.NDArray[np.int64]:
    """A cluster number for each finding, in row order; -1 for those that belong to none.

    Needs the columns time, end_time, entities, surprise, rule_uid of FINDING_SCHEMA. `weights` are
    those of `entity_weights`, where more findings than these are known.
    """
    settings = settings or FusionSettings()
    labels = np.full(findings.height, -1, dtype=np.int64)
    columns = ("time", "end_time", "entities", "surprise", "rule_uid")
    frame = findings.select(columns).with_row_index("row")
    if weights is None:
        weights = entity_weights(frame, settings)
    telling = frame.filter(pl.col("surprise") <= settings.bridge_surprise)
    _label(telling, weights, settings, labels, minimum=0.05)
    _attach(frame.filter(pl.col("surprise") > settings.bridge_surprise), frame, labels, settings)
    return labels


def _label(
    telling: pl.DataFrame,
    weights: pl.DataFrame,
    settings: FusionSettings,
    labels: npt.NDArray[np.int64],
    minimum: float,
) -> None:
    """Label findings by connected component; components with too many hosts are cut again."""
    rows = telling["row"].to_numpy()
    edges = [*_edges(telling, weights, settings, minimum), *_at_once(telling)]
    components = _components(rows, edges)
    start = int(labels.max(initial=-1)) + 1
    labels[rows] = start + components
    if minimum >= 0.7:
        return
    grouped = telling.with_columns(pl.Series("component", components)).group_by("component").agg(
        pl.col("row"),
        pl.col("entities").explode().drop_nulls().unique().str.starts_with("host:").sum().alias("hosts"),
    )  # fmt: skip
    for crowded in grouped.filter(pl.col("hosts") > settings.max_hosts)["row"].to_list():
        part = telling.filter(pl.col("row").is_in(crowded))
        _label(part, weights, settings, labels, minimum + 0.2)


def _edges(
    telling: pl.DataFrame, weights: pl.DataFrame, settings: FusionSettings, minimum: float
) -> Iterable[tuple[int, int]]:
    """Pairs of findings that follow each other on an entity within the time it allows."""
    span = pl.col("end_time").cum_max().over("entity", order_by="time")
    bits = evidence_bits(pl.col("surprise"))
    steps = (
        telling.select(
            "row", "time", "end_time", pl.col("entities").alias("entity"), bits.alias("bits")
        )
        .explode("entity")
        .drop_nulls("entity")
        .join(weights.filter(pl.col("weight") >= minimum), on="entity")
        .sort("entity", "time", "row")
        .with_columns(
            pl.col("row").shift(1).over("entity").alias("before"),
            pl.min_horizontal("bits", pl.col("bits").shift(1).over("entity")).alias("weaker"),
            span.shift(1).over("entity").alias("until"),
        )
        .drop_nulls("before")
    )
    silence = (pl.col("time") - pl.col("until")).dt.total_seconds(fractional=True) / 3600
    share = (pl.col("weaker") / TELLING_BITS).clip(0.0, 1.0)
    near = (silence <= settings.join_hours * pl.col("weight") * share).fill_null(value=True)
    return steps.filter(near).select("before", "row").unique().iter_rows()


def _at_once(telling: pl.DataFrame) -> Iterable[tuple[int, int]]:
    """Pairs of findings of one analytic within moments, on whatever hosts: one doing on many."""
    steps = telling.select("row", "time", "rule_uid").drop_nulls().sort("rule_uid", "time", "row")
    near = pl.col("time").diff().over("rule_uid") <= pl.duration(seconds=AT_ONCE_SECONDS)
    return (
        steps.with_columns(pl.col("row").shift(1).over("rule_uid").alias("before"))
        .filter(near)
        .select("before", "row")
        .iter_rows()
    )


def _components(
    rows: npt.NDArray[np.uint32], edges: Iterable[tuple[int, int]]
) -> npt.NDArray[np.int64]:
    """Connected components over `rows`, numbered from 0 in the order of first appearance."""
    place = {int(row): index for index, row in enumerate(rows)}
    parent = list(range(len(rows)))

    def find(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in edges:
        a, b = find(place[left]), find(place[right])
        if a != b:
            parent[max(a, b)] = min(a, b)
    numbers: dict[int, int] = {}
    return np.array(
        [numbers.setdefault(find(node), len(numbers)) for node in range(len(rows))], dtype=np.int64
    )


def _attach(
    weak: pl.DataFrame,
    frame: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    settings: FusionSettings,
) -> None:
    """Give weak findings to the cluster of the nearest telling finding on their first entity."""
    if weak.is_empty():
        return
    placed = frame.with_columns(pl.Series("label", labels)).filter(pl.col("label") >= 0)
    anchors = (
        placed.select("label", "time", pl.col("entities").alias("entity"))
        .explode("entity")
        .drop_nulls()
        .sort("time")
    )
    wanted = weak.select("row", "time", pl.col("entities").list.first().alias("entity"))
    found = (
        wanted.drop_nulls()
        .sort("time")
        .join_asof(
            anchors,
            on="time",
            by="entity",
            strategy="nearest",
            tolerance=f"{int(settings.join_hours * 60)}m",
            check_sortedness=False,
        )
        .drop_nulls("label")
    )
    labels[found["row"].to_numpy()] = found["label"].to_numpy()
    _alone(weak.filter(~pl.col("row").is_in(found["row"].implode())), labels, settings)


def _alone(weak: pl.DataFrame, labels: npt.NDArray[np.int64], settings: FusionSettings) -> None:
    """Cluster what is left by first entity and silence, so that no finding is out of reach."""
    rest = weak.with_columns(pl.col("entities").list.first().fill_null("").alias("entity")).sort(
        "entity", "time"
    )
    gap = pl.col("time").diff().over("entity") > pl.duration(minutes=int(settings.join_hours * 60))
    runs = rest.select(
        "row", (gap.fill_null(value=True) | (pl.col("entity") != pl.col("entity").shift(1)))
        .fill_null(value=True).cum_sum().alias("run"),
    )  # fmt: skip
    start = int(labels.max(initial=-1)) + 1
    labels[runs["row"].to_numpy()] = start + runs["run"].to_numpy().astype(np.int64)
