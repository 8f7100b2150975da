"""Routes, one file a page; each file has a `router`, listed in ROUTERS."""

from . import account, audit, detections, health, hunt, incident, live, people, queue, static

ROUTERS = (
    static.router,
    account.router,
    queue.router,
    incident.router,
    detections.router,
    hunt.router,
    live.router,
    health.router,
    audit.router,
    people.router,
)

__all__ = ["ROUTERS"]
