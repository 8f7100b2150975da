"""Progress bars with rates, on a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        if task.fields.get("unit") == "bytes":
            return Text(f"{speed / 1e6:,.1f} MB/s", style="dim")
        return Text(f"{speed:,.0f} {task.fields.get('unit')}/s", style="dim")


class _Done(ProgressColumn):
    """What is done, of how much."""

    def render(self, task: Task) -> Text:
        if task.fields.get("unit") == "bytes":
            total = f" of {task.total / 1e6:,.1f}" if task.total else ""
            return Text(f"{task.completed / 1e6:,.1f}{total} MB")
        return Text(f"{int(task.completed):,} {task.fields.get('unit')}")


class Bars:
    """Draws what it is told on standard error, and clears it when all stages are over."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=30),
            _Done(),
            _Rate(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._open = 0

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        """Show a bar."""
        if self._open == 0:
            self._progress.start()
        self._open += 1
        self._tasks[stage] = self._progress.add_task(stage, total=total, unit=unit)

    def advance(self, stage: str, amount: int) -> None:
        """Move a bar."""
        self._progress.advance(self._tasks[stage], amount)

    def end(self, stage: str) -> None:
        """Take a bar away."""
        self._progress.remove_task(self._tasks.pop(stage))
        self._open -= 1
        if self._open == 0:
            self._progress.stop()
