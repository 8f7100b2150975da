"""Names that a model takes for made up: per host and hour, however the events are cut."""

import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hauberk.detect import State
from hauberk.detect.models.domains import DomainModels
from hauberk.detect.models.panel import Panel, Seat
from hauberk.events import EventBatch, EventClass
from hauberk.governance import Conditions
from hauberk.models import LoadedModel, Stage, Task

made: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "integration" / "judges.py"))
START = datetime(2024, 3, 4, 12, 0, tzinfo=UTC)


def seat(folder: Path, task: Task, stage: Stage = Stage.LIVE, **more: Any) -> Seat:
    nobody: Any = None
    artifact = made["artifact"](folder, task, more.pop("version", "1.0.0"))
    conditions = more.pop("conditions", Conditions())
    return Seat.of(LoadedModel(artifact, stage, conditions, nobody, nobody, nobody, **more))


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    folder = tmp_path_factory.mktemp("models") / "domain"
    return Panel((seat(folder, Task.DOMAIN),), clock=lambda: 0.0)


def events(names: list[tuple[float, str, str]]) -> pl.DataFrame:
    """Queries: minute, source, name."""
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=minute) for minute, _, _ in names],
            "metadata.uid": [f"b:{at}" for at in range(len(names))],
            "src_endpoint.ip": [source for _, source, _ in names],
            "dst_endpoint.port": [53] * len(names),
            "query.hostname": [name for _, _, name in names],
        }
    )
    return frame.sort("time", "metadata.uid")


def busy() -> pl.DataFrame:
    chance = np.random.default_rng(5)
    rows = [(float(chance.uniform(0, 180)), f"10.0.0.{at % 5}", made["ordinary"](at))
            for at in range(400)]  # fmt: skip
    rows += [(float(chance.uniform(50, 170)), "10.0.0.9", made["made_up"](at)) for at in range(60)]
    return events(rows)


def judged(panel: Panel, frame: pl.DataFrame, cuts: int) -> tuple[pl.DataFrame, Any]:
    detector, said = DomainModels(panel), []
    state: State = {}
    size = -(-frame.height // cuts)
    for at in range(0, frame.height, size):
        part = EventBatch("x", {EventClass.DNS_ACTIVITY: frame.slice(at, size)})
        found, state = detector.judge(part, state)
        said.append(found)
    return pl.concat(said).unique("uid", keep="last").sort("uid"), state


@pytest.mark.parametrize("cuts", [2, 7, 40])
def test_other_cuts_of_the_same_queries_give_the_same_last_words(panel: Panel, cuts: int) -> None:
    whole, state = judged(panel, busy(), 1)
    cut, other = judged(panel, busy(), cuts)
    assert whole.height >= 2
    assert cut.equals(whole)
    counts = ["judged", "flagged", "errors", "p_bins"]
    assert other["tally"].select(counts).equals(state["tally"].select(counts))


def test_a_single_odd_name_is_never_told(panel: Panel) -> None:
    frame = events([(0.0, "10.0.0.9", made["made_up"](1)), (1.0, "10.0.0.9", made["made_up"](2))])
    found, state = judged(panel, frame, 1)
    assert found.is_empty()
    assert state["tally"]["flagged"].sum() == 2


def test_a_network_where_many_names_look_so_is_surprised_less(panel: Panel) -> None:
    noisy = [(at / 100, f"10.0.1.{at % 50}", made["made_up"](5000 + at)) for at in range(1500)]
    ask = [(200 + at / 10, "10.0.0.9", made["made_up"](at)) for at in range(12)]
    ask += [(201 + at / 10, "10.0.0.9", made["ordinary"](at)) for at in range(60)]
    quiet, _ = judged(panel, events(ask), 1)
    loud, _ = judged(panel, events([*noisy, *ask]), 1)
    mine = pl.col("entities").list.first() == "ip:10.0.0.9"
    assert quiet.filter(mine)["surprise"][0] < 0.01
    assert loud.filter(mine).is_empty()


def test_hostile_names_are_judged_without_an_error(panel: Panel) -> None:
    odd = ["", ".", "a..b", "x" * 5000 + ".com", "\x00.\xff", "é" * 300 + ".net", "*.com"]
    found, _ = judged(panel, events([(0.0, "10.0.0.9", one) for one in odd]), 1)
    assert found.is_empty()


class Choking:
    """Features that fail on one record."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.names = inner, inner.names

    def extract(self, records: Any) -> Any:
        if any(one.startswith("poison") for one in records):
            raise ValueError("cannot")
        return self.inner.extract(records)


def test_a_record_that_a_model_chokes_on_is_its_error_and_hides_no_other(tmp_path: Path) -> None:
    one = seat(tmp_path / "m", Task.DOMAIN)
    choking: Any = Choking(one.judging.features)
    one.judging.features = choking
    names = pl.Series([made["made_up"](3), "poison.com", made["ordinary"](1)])
    (said,) = Panel((one,)).judge(names.to_list(), names)
    assert np.isnan(said.scores).tolist() == [False, True, False]
    day = pl.Series([START.date()] * 3)
    assert said.counted(day).select("judged", "errors", "flagged").row(0) == (3, 1, 1)


def test_every_entity_is_judged_by_the_canary_or_by_the_live_model_and_by_all_shadows(
    tmp_path: Path,
) -> None:
    seats = (
        seat(tmp_path / "a", Task.DOMAIN),
        seat(tmp_path / "b", Task.DOMAIN, Stage.CANARY, share=0.3, salt="s", version="2"),
        seat(tmp_path / "c", Task.DOMAIN, Stage.SHADOW, version="3"),
    )
    names = pl.Series([f"host:{at}" for at in range(300)])
    live, canary, shadow = (Panel(seats).assigned(one, names) for one in seats)
    assert (live ^ canary).all()
    assert 50 < canary.sum() < 130
    assert shadow.all()
