"""Sources and health: what came, what became of it, what does not work."""

import polars as pl
from fastapi import APIRouter, Request
from starlette.responses import Response

from hauberk.console.guard import Here, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission

router = APIRouter()

MAX_SOURCES = 100
MAX_REASONS = 20


@router.get("/health", dependencies=needs(Permission.READ_HEALTH))
def shown(request: Request, console: Here) -> Response:
    """The page."""
    with console.reading.open() as home:
        accounting = home.records.accounting()
        reasons = (
            home.records.dead_letters()
            .group_by("reason")
            .agg(pl.len().alias("records"))
            .sort("records", "reason", descending=[True, False])
            .collect(engine="streaming")
        )
        sources = home.records.sources(MAX_SOURCES)
        commits = home.records.last_commit()
        events = home.lake.count()
    return page(
        request,
        "health.html.j2",
        accounting=accounting,
        reasons=list(reasons.head(MAX_REASONS).iter_rows()),
        more_reasons=max(0, reasons.height - MAX_REASONS),
        sources=sources,
        max_sources=MAX_SOURCES,
        commits=commits,
        events=events,
        index=console.reading.index,
        standing=console.handover.standing(),
        now=console.clock(),
    )
