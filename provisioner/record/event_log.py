"""The event log: steps of runs as rows of the database.

Each step is durable before the next one begins. The journal of a real run, `operations.apply.journal.RunLog`, keeps its
steps here, beside the run's two entries.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, case, insert, select

from provisioner.base.errors import StateError
from provisioner.base.text import canonical_text
from provisioner.record.database import open_database
from provisioner.record.entries import Event, digest
from provisioner.record.state_folder import SealVerdict, StateFolder
from provisioner.record.tables import DAMAGE, DamagedRecordError, events, microseconds, moment, plain_object, stored

BEGIN = "begin"
_SEAL = "seal"


class EventLog:
    """The steps of an inventory's runs; `StateError` if the database is silent."""

    def __init__(self, folder: StateFolder, *, create: bool = True) -> None:
        database = open_database(folder, create=create)
        if database is None:
            raise StateError(
                f"there is no history in {folder.text}", hint="it was there a moment ago: look who moved it"
            )
        self._database = database
        self._mine = folder.inventory
        self._keys = folder.keys

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def add(self, run: str, event: Event) -> None:
        """Write one step durably; its seal covers all steps before."""
        with self._database.writing() as connection:
            add_step(connection, self._database.place, run, event)

    def of(self, run: str) -> tuple[Event, ...]:
        """Return a run's steps in order; an unreadable one raises `DamagedRecordError`."""
        return tuple(event for _, event, _ in self._read_steps(run))

    def proved(self, run: str) -> tuple[Event, ...]:
        """Return a run's steps in order, each proved by its seal.

        Missing steps at the end are not noticed; others raise `DamagedRecordError`.
        """
        previous = ""
        for expected, (sequence, event, seal) in enumerate(self._read_steps(run), 1):
            message = _message(self._mine, run, sequence, previous, event)
            if sequence != expected or self._keys.judge_seal(seal, message) is not SealVerdict.GENUINE:
                raise self._damaged(run, expected, "is missing, or was not written by who has the vault's key")
            previous = seal
        return self.of(run)

    def _read_steps(self, run: str) -> list[tuple[int, Event, str]]:
        steps = []
        with self._database.reading() as connection:
            for number, row in enumerate(
                connection.execute(_select_steps(self._mine, run).order_by(events.c.sequence)), 1
            ):
                try:
                    steps.append(_step_of_row(*row))
                except DAMAGE:
                    raise self._damaged(run, number, "cannot be read") from None
        return steps

    def _damaged(self, run: str, number: int, fault: str) -> DamagedRecordError:
        return _damaged(self._database.place, run, number, fault)

    def digest_of(self, run: str) -> str:
        """Return the hash of a run's steps for its document."""
        return _digest(self.of(run))

    def steps_after(self, run: str, ending: str) -> int:
        """Return the number of proved steps after those with a hash.

        Older versions let two processes resume one run, and the second went on after the end of the first.
        """
        try:
            steps = self.proved(run)
        except DamagedRecordError:
            return 0
        return next((later for later in range(1, len(steps)) if _digest(steps[:-later]) == ending), 0)


def _digest(steps: Sequence[Event]) -> str:
    return digest(canonical_text([[e.at.isoformat(), e.host, e.step, e.state, e.detail] for e in steps]))


def add_step(connection: Connection, folder: StateFolder, run: str, event: Event) -> None:
    """Add a step in a write transaction; its seal covers all before."""
    query = _select_steps(folder.inventory, run).order_by(events.c.sequence.desc()).limit(1)
    last = connection.execute(query).first()
    sequence, previous = _number_and_seal_after(folder, run, last[0], last[4]) if last else (1, "")
    seal = folder.keys.seal(_message(folder.inventory, run, sequence, previous, event))
    outcome = canonical_text({**event.detail, "state": event.state, **({_SEAL: seal} if seal else {})})
    row = {"inventory": folder.inventory, "run": run, "at": event.at, "host": event.host, "step": event.step}
    column = "before" if event.state == BEGIN else "after"
    connection.execute(insert(events).values(**row, sequence=sequence, **{column: outcome}))


def _number_and_seal_after(folder: StateFolder, run: str, sequence: object, outcome: object) -> tuple[int, str]:
    if not isinstance(sequence, int):
        raise _damaged(folder, run, 1, "has a number that is none")
    try:
        return sequence + 1, str(plain_object(str(outcome)).get(_SEAL, ""))
    except DAMAGE:
        return sequence + 1, ""


def _select_steps(inventory: str, run: str) -> Select[object, object, object, object, object]:
    # A step has one of the two; with both, one would never be read.
    of_begun, of_done = (events.c.after.is_(None), events.c.before), (events.c.before.is_(None), events.c.after)
    outcome = stored(case(of_begun, of_done))
    where = stored(events.c.host), stored(events.c.step)
    query = select(stored(events.c.sequence), stored(events.c.at), *where, outcome)
    return query.where(events.c.inventory == inventory, events.c.run == run)


def _damaged(folder: StateFolder, run: str, number: int, fault: str) -> DamagedRecordError:
    message = f"the history in {folder.text} is damaged: step {number} of run {run} {fault}"
    return DamagedRecordError(message, object=run)


def _step_of_row(sequence: object, at: object, host: object, step: object, outcome: object) -> tuple[int, Event, str]:
    if not (isinstance(host, str) and isinstance(step, str) and isinstance(outcome, str)):
        raise TypeError("a step is told in texts")
    (host + step).encode()  # bytes that are no UTF-8 raise here
    detail = plain_object(outcome)
    state, seal = detail.pop("state"), detail.pop(_SEAL, "")
    if not (isinstance(state, str) and isinstance(seal, str) and isinstance(sequence, int) and isinstance(at, int)):
        raise TypeError("a step has a number, a moment and a state")
    return sequence, Event(host, step, state, detail, at=moment(at)), seal


def _message(inventory: str, run: str, sequence: int, previous: str, event: Event) -> str:
    content = [microseconds(event.at), event.host, event.step, event.state, dict(event.detail)]
    return canonical_text(["event", inventory, run, sequence, previous, *content])
