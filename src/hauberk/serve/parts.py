"""The parts of a running system, in the order in which they are started."""

import http.client
import socket
import ssl
from collections.abc import Sequence

from hauberk.errors import UsageError

from .interface import Part, Plan, Report

WATCH_REPORTS = 2
"""Seconds between two reports of a watch."""

_PATIENCE = 3.0


def _watch(plan: Plan) -> Sequence[str] | None:
    if not plan.paths and not plan.sources:
        return None
    given = ["watch", *map(str, plan.paths), "--home", str(plan.home), "--status"]
    given.append(str(WATCH_REPORTS))
    if plan.sources_file is not None:
        given += ["--sources", str(plan.sources_file)]
    for folder in plan.rules:
        given += ["--rules", str(folder)]
    if plan.budget is not None:
        given += ["--budget", str(plan.budget)]
    if plan.every is not None:
        given += ["--every", str(plan.every)]
    return given


def _about_watch(plan: Plan) -> str:
    counted = [(len(plan.paths), "path"), (plan.sources, "source")]
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in counted if n)


def _console(plan: Plan) -> Sequence[str] | None:
    if not plan.console:
        return None
    names = [one for name in plan.names for one in ("--name", name)]
    return ["console", "--home", str(plan.home), "--json", "--listen", _address(plan), *names]


def _address(plan: Plan) -> str:
    host, port = plan.listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_free(plan: Plan) -> None:
    """Raises UsageError where the console could not listen at its address."""
    if not plan.console:
        return
    try:
        family = socket.AF_INET6 if ":" in plan.listen[0] else socket.AF_INET
        socket.create_server(plan.listen, family=family).close()
    except OSError as error:
        raise UsageError(
            f"the console cannot listen at {_address(plan)}: {error.strerror}",
            hint="End what listens there, or name another address with --listen",
        ) from error


def _console_answers(plan: Plan, report: Report) -> bool:
    """Whether the console answers over TLS, with the certificate that it said it has."""
    host, port = plan.listen
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # not to bind to
    name = str(report["address"]).removeprefix("https://").rpartition(":")[0]
    try:
        context = ssl.create_default_context(cafile=str(report["ca"]))
        # Names are looked at by hand: the certificate's need not lead to where it listens.
        context.check_hostname = False
        connection = http.client.HTTPSConnection(near, port, timeout=_PATIENCE, context=context)
        connection.request("GET", "/health", headers={"Host": f"{name}:{port}"})
        answer = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return answer < 500 and answer != http.client.MISDIRECTED_REQUEST


def _inference(plan: Plan) -> Sequence[str] | None:
    return None if plan.inference is None else ["serve", "--home", str(plan.home), "--json"]


def _about_inference(plan: Plan) -> str:
    return "" if plan.inference is None else f"models at {plan.inference.address}"


def _outputs(plan: Plan) -> Sequence[str] | None:
    if not plan.settings.table("outputs"):
        return None
    return ["outputs", "run", "--home", str(plan.home), "--status"]


def _about_outputs(plan: Plan) -> str:
    return ", ".join(name for name, _ in plan.settings.table("outputs").tables())


PARTS = (
    Part("watch", _watch, "pace", _about_watch, grace=120.0, silence=30.0),
    Part("outputs", _outputs, "outputs", _about_outputs, grace=15.0, silence=60.0),
    Part("console", _console, "started", _address, answers=_console_answers, grace=15.0),
    Part("inference", _inference, "judging", _about_inference, grace=15.0, silence=30.0),
)
