"""The records' server stops under a watch that is then killed too: each line is there once."""

from pathlib import Path
from typing import Any

import pytest
from tests.chaos.watching import expected, lines_of, records, wait, watching, write

from hauberk.store import verify

pytestmark = pytest.mark.slow


def test_a_watch_waits_for_its_server_and_one_that_is_killed_meanwhile_goes_on_after(
    home_path: Path, tmp_path: Path, postgres: Any
) -> None:
    log = tmp_path / "auth.log"
    write(log, range(50))
    url = postgres.url(postgres.database())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAUBERK_DATABASE_URL", url)
        with watching(tmp_path, home_path, log) as watch:
            watch.start()
            watch.wait(lambda: records(home_path) == 50, "the first records")
            postgres.stop()
            try:
                write(log, range(50, 100))
                watch.wait(lambda: "cannot be reached" in watch.said(), "the word")
                watch.kill()
                watch.start()
                wait(lambda: not watch.alive, "one that begins without its server to end")
                assert watch.process is not None
                assert watch.process.returncode == 11
            finally:
                postgres.start()
            watch.start()
            watch.wait(lambda: records(home_path) == 100, "what came meanwhile")
            postgres.stop()
            write(log, range(100, 150))
            postgres.start()
            watch.wait(lambda: records(home_path) == 150, "what came over a short outage")
            assert watch.end() == 0
        assert "Traceback" not in watch.said()
        assert lines_of(home_path) == expected(range(150))
        assert verify(home_path).ok
