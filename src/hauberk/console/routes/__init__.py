"""Routes, one file a page; each file has a `router`, listed in ROUTERS."""

from . import (
    account,
    api,
    audit,
    detections,
    health,
    hunt,
    incident,
    live,
    measures,
    models,
    models_people,
    models_signing,
    people,
    queue,
    settings,
    sign_in,
    static,
    stories,
    tokens,
)

ROUTERS = (
    static.router,
    sign_in.router,
    account.router,
    tokens.router,
    queue.router,
    incident.router,
    stories.router,
    detections.router,
    hunt.router,
    models.router,
    models_signing.router,
    models_people.router,
    live.router,
    measures.router,
    health.router,
    audit.router,
    people.router,
    settings.router,
    api.router,
)

__all__ = ["ROUTERS"]
