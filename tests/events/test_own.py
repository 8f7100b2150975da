"""What people do, as records and columns."""

import pytest

from hauberk.events import Status, act_record, own_columns


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("signed-in", Status.SUCCESS),
        ("comment", Status.SUCCESS),
        ("locked-out", Status.FAILURE),
        ("session-copied", Status.FAILURE),
        ("sign-on-refused", Status.FAILURE),
    ],
)
def test_a_sign_in_that_came_to_nothing_is_a_failure(kind: str, status: Status) -> None:
    act = {"type": f"console.{kind}", "by": "", "act": "a", "at": "2026-03-02T10:00:00Z"}
    columns = own_columns([act_record(act)])
    assert columns["status_id"].to_list() == [status]
    assert columns["metadata.event_code"].to_list() == [kind]
