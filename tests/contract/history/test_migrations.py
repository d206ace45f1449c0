"""A database of before is brought to the tables of now, with all that is in it; one that is ahead is refused."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Table, text

from provisioner.base.errors import StateError
from provisioner.record.database import KNOWN, MIGRATIONS, REVISION, Database, open_database, revision_of
from provisioner.record.entries import Operation
from provisioner.record.sent import read_notices
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import find_history, open_history
from provisioner.record.tables import metadata, migrations
from tests import histories as make


@pytest.fixture
def old(place: StateFolder) -> StateFolder:
    """A history of before tables had revisions."""
    make.restore(place)
    return place


def opened(place: StateFolder) -> Database:
    database = open_database(place, create=False)
    assert database is not None
    return database


def revision(place: StateFolder) -> str | None:
    with closing(opened(place)) as database, database.reading() as connection:
        return revision_of(connection)


def differences(place: StateFolder) -> list[object]:
    """What is other in a database than in a new one's tables."""
    with closing(opened(place)) as database, database.reading() as connection:
        options = {"compare_type": True, "version_table": migrations.name}
        compared = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        # Alembic leaves its own table out of what it looks at in the database.
        return [one for one in compared if not (isinstance(one, tuple) and migrations in one)]


def test_what_is_known_here_is_what_there_are_steps_to() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    steps = ScriptDirectory.from_config(config)
    assert {step.revision for step in steps.walk_revisions()} == KNOWN
    assert steps.get_heads() == [REVISION]


def test_a_history_of_before_is_read_as_it_is(old: StateFolder) -> None:
    history = find_history(old)
    assert history is not None
    with closing(history):
        assert [recorded.run.id for recorded in history.runs()] == ["run-2", "run-1"]
        assert history.verify_chain().whole
    assert revision(old) == ""


def test_who_records_brings_it_to_the_tables_of_now_and_loses_nothing(old: StateFolder) -> None:
    with closing(open_history(old)) as history:
        assert revision(old) == REVISION
        assert differences(old) == []
        history.begin(make.run(3, Operation.APPLY), ["relay-1"])
        assert [recorded.run.id for recorded in history.runs()] == ["run-3", "run-2", "run-1"]
        assert history.document("run-1") == {"hosts": ["Bắc Giang"]}
        assert history.verify_chain().whole
        assert history.take_epochs("run-3", {"relay-1": 0}, make.START) == {"relay-1": 1}
    assert read_notices(old, ["noc"]).documents == {"noc": {"number": 1}}


def test_a_new_one_is_as_one_that_was_brought_up(place: StateFolder) -> None:
    open_history(place).close()
    assert (revision(place), differences(place)) == (REVISION, [])


def test_the_table_that_a_later_revision_drops_may_be_missing(place: StateFolder) -> None:
    open_history(place).close()
    with closing(opened(place)) as database, database.writing() as connection:
        connection.execute(text("DROP TABLE provisioner_month_sums"))
    with closing(open_history(place)) as history:
        history.begin(make.run(1, Operation.APPLY), ["relay-1"])
        assert history.verify_chain().whole
    added = [one[1].name for one in differences(place) if isinstance(one, tuple) and isinstance(one[1], Table)]
    assert (revision(place), len(differences(place)), added) == (REVISION, 1, ["provisioner_month_sums"])


def test_two_that_begin_at_once_bring_it_up_once(old: StateFolder) -> None:
    with ThreadPoolExecutor(4) as several:
        for history in several.map(lambda _: open_history(old), range(4)):
            history.close()
    assert (revision(old), differences(old)) == (REVISION, [])


def test_a_step_that_breaks_off_leaves_it_as_it_was(old: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = command.upgrade

    def broken(config: Config, to: str) -> None:
        upgrade(config, to)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "upgrade", broken)
    with pytest.raises(KeyboardInterrupt):
        open_history(old)
    assert revision(old) == ""
    monkeypatch.undo()
    open_history(old).close()
    assert (revision(old), differences(old)) == (REVISION, [])


def test_one_that_is_ahead_is_refused_by_readers_and_writers_and_stays(place: StateFolder) -> None:
    open_history(place).close()
    with closing(opened(place)) as database, database.writing() as connection:
        connection.execute(text("UPDATE provisioner_migrations SET version_num = '3'"))
    for use in (open_history, find_history):
        with pytest.raises(
            StateError, match=r"is ahead: its tables are of revision 3, and this program knows them up to 2"
        ) as error:
            use(place)
        assert error.value.hint == "install the version of provisioner that other machines with this history have"
