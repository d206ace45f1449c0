"""SQLite's locks live as long as its connections: nothing else opens and closes the file beside them."""

import subprocess
import sys
from pathlib import Path

from provisioner.record.database import open_database
from provisioner.record.state_folder import StateFolder

_VISIT = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM sqlite_master'); c.close()"
)


def test_a_database_that_is_opened_again_stays_locked_against_the_last_of_others_to_leave(tmp_path: Path) -> None:
    place = StateFolder("test", file=tmp_path / "state.db")
    first = open_database(place, create=True)
    assert first
    with first.reading():
        second = open_database(place, create=True)
        assert second
        second.close()
        # Another program that leaves removes the log if it finds no lock: this one's log is in use.
        subprocess.run([sys.executable, "-c", _VISIT, str(place.file)], check=True)
        assert (tmp_path / "state.db-wal").exists()
    first.close()
