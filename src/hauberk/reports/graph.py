"""Where the entities of an incident's graph lie: a small force-directed layout, the same each time.

Source: T. Fruchterman, E. Reingold, Graph Drawing by Force-directed Placement, Software: Practice
and Experience 21 (1991).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hauberk.triage import Link

MAX_NODES = 28
"""Entities that are drawn, those of most links first; more would be a knot."""

ROUNDS = 160
WIDTH, HEIGHT = 640.0, 360.0
_MARGIN = 70.0


@dataclass(frozen=True, slots=True)
class Node:
    """An entity at a place, `links` telling how many findings name it."""

    name: str
    kind: str
    value: str
    x: float
    y: float
    links: int

    @property
    def label(self) -> str:
        """The value, of a path its last part."""
        return self.value.replace("\\", "/").rsplit("/", 1)[-1] or self.value


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two entities that findings name together."""

    x1: float
    y1: float
    x2: float
    y2: float
    findings: int


@dataclass(frozen=True, slots=True)
class Graph:
    """A drawing; `left_out` entities had no room."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    left_out: int


def draw(links: Sequence[Link]) -> Graph:
    """Place the entities of the links."""
    weight: Counter[str] = Counter()
    for link in links:
        weight[link.source] += link.findings
        weight[link.target] += link.findings
    names = [name for name, _ in sorted(weight.items(), key=lambda one: (-one[1], one[0]))]
    shown = names[:MAX_NODES]
    place = {name: index for index, name in enumerate(shown)}
    kept = [link for link in links if link.source in place and link.target in place]
    ends = np.array([(place[link.source], place[link.target]) for link in kept], dtype=np.int64)
    spots = _spots(len(shown), ends.reshape(-1, 2))
    nodes = [
        Node(name, name.partition(":")[0], name.partition(":")[2], x, y, weight[name])
        for name, (x, y) in zip(shown, spots.tolist(), strict=True)
    ]
    edges = [
        Edge(
            nodes[a].x, nodes[a].y, nodes[b].x, nodes[b].y, link.findings
        )
        for link, (a, b) in zip(kept, ends.reshape(-1, 2).tolist(), strict=True)
    ]  # fmt: skip
    return Graph(nodes, edges, len(names) - len(shown))


def _spots(count: int, ends: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Coordinates (count, 2) within the drawing's margins."""
    if count == 0:
        return np.zeros((0, 2))
    angle = np.arange(count) * 2.399963  # the golden angle spreads any number of nodes evenly
    radius = np.sqrt((np.arange(count) + 0.5) / count)
    spots = np.stack([np.cos(angle) * radius, np.sin(angle) * radius], axis=1)
    ideal = 1.1 / np.sqrt(count)
    for step in range(ROUNDS):
        apart = spots[:, None, :] - spots[None, :, :]
        distance = np.maximum(np.linalg.norm(apart, axis=2), 1e-3)
        force = (apart / distance[..., None] * (ideal**2 / distance)[..., None]).sum(axis=1)
        if len(ends):
            pull = spots[ends[:, 0]] - spots[ends[:, 1]]
            pull *= np.linalg.norm(pull, axis=1, keepdims=True) / ideal
            np.add.at(force, ends[:, 0], -pull)
            np.add.at(force, ends[:, 1], pull)
        size = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-9)
        spots += force / size * np.minimum(size, 0.12 * (1 - step / ROUNDS))
    low, high = spots.min(axis=0), spots.max(axis=0)
    scaled = (spots - low) / np.maximum(high - low, 1e-9) if count > 1 else spots * 0 + 0.5
    room = np.array([WIDTH - 2 * _MARGIN, HEIGHT - 2 * 34.0])
    placed: npt.NDArray[np.float64] = scaled * room + np.array([_MARGIN, 34.0])
    return placed
