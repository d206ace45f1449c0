"""A bare host made ready, and the SSH host key it shows.

A shell script reads the host, makes missing parts, and reads again. The host key is requested from the place that
reaches the host, without a login.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.base.document import Printed, Row, of
from provisioner.base.errors import HostError, PolicyError, UsageError
from provisioner.base.ssh_signature import SshHostKey
from provisioner.desired.spec import HostSpec
from provisioner.desired.trust import host_key_text
from provisioner.hosts import bare_host, preparation
from provisioner.hosts.answers import parsed, wire
from provisioner.hosts.artefact import refusal_here
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.identity import SCAN_S, host_key_of, is_host_key_line, may_be_declared_new, show_key_call
from provisioner.hosts.keys import own_public_keys, public_keys_of
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import FOREIGN_HINTS, CallOutcome, HostAnswer, HostCall, ShellScript
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.edit.keys import KeyedHost
from provisioner.operations.pipeline.session import CalledHost, Session, approached_host
from provisioner.operations.pipeline.stages import key_askers

LOOK_TIMEOUT_S = 60.0
MAKE_TIMEOUT_S = 1800.0
_LOOK, _MAKE = "approach", "prepare"
_ENDED: Mapping[str, tuple[str, str]] = {
    "lock": ("somebody prepares it at this moment", "run the same command again once that is over"),
    "room": ("it could not keep a file in /tmp", "make room there, and run the same command again"),
    "packages": ("its packages could not be installed", "see to its sources of packages and its way to them"),
    "bus": ("its bus could not be started", "see there: systemctl status dbus.socket"),
    "user": ("the user could not be made", "make it by hand there, or name another one in ssh.user"),
    "key": ("the key could not be entered", "see whose the user's home and its .ssh are"),
    "sudo": ("the rule could not be written", "see there: visudo -c"),
}


@dataclass(frozen=True)
class Prepared:
    """A host to prepare."""

    called: CalledHost
    login: HostSpec
    seen: preparation.BareHostFacts
    wanted: preparation.Wanted
    plan: preparation.Preparation
    is_proved: bool = False  #: Whether the inventory's user has logged in since, with sufficient rights.

    @property
    def is_refused(self) -> bool:
        """Whether steps by hand have to come first."""
        return bool(self.plan.by_hand) and self.plan.deeds.are_none

    @property
    def login_option(self) -> str:
        """The command's option for the login; empty for the inventory's user."""
        user = self.login.ssh.user
        return f" --user {user}" if user != self.called.spec.ssh.user else ""

    @property
    def host(self) -> str:
        """The host's id."""
        return self.called.spec.id

    @property
    def place(self) -> str:
        """Login, address and SSH host key."""
        return f"{self.login.ssh.login_at(self.login.address)}, host key {host_key_text(self.login.ssh)}"

    @property
    def without_keys(self) -> tuple[str, ...]:
        """The inventory's hosts without keys."""
        lock = self.called.inventory.allocations
        return tuple(
            sorted(
                name
                for lock_entries in (lock.relays, lock.centres)
                for name, h in lock_entries.items()
                if not h.public_key
            )
        )


class SystemRow(Row):
    """An operating system, by its os-release."""

    id: str
    version: str


class PreparedDocument(Printed, name="hosts-prepare", title="A host made ready"):
    """Output of `provisioner hosts prepare --output json`."""

    host: str
    login: str = of("login", "ssh", "user")
    user: str = of("wanted", "user")
    system: SystemRow = of("seen", "host", "system")
    arch: str = of("seen", "host", "arch")
    steps: tuple[preparation.Step, ...] = of("plan", "steps")
    by_hand: tuple[preparation.ByHand, ...]
    notes: tuple[str, ...]
    packages: tuple[str, ...] = of("plan", "deeds", "packages")
    dry_run: bool
    changed: bool
    ready: bool


def named_keys(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the public keys in files without duplicates, or raise `UsageError`."""
    return tuple(dict.fromkeys(key for file in files for key in public_keys_of(file)))


def see_prepare(session: Session, host: str, *, login: str = "", keys: tuple[str, ...] = ()) -> Prepared:
    """Read a host to prepare, or raise `UsageError`.

    `login` is root or a user with full sudo, by default the host's own user. `keys` log its own user in, by default
    this machine's.
    """
    called = approached_host(session, host)
    spec = called.spec
    if login and not bare_host.is_user(login):
        raise UsageError(f"{login!r} is no user's name", hint="name a login that the host has: --user root")
    login_spec = spec if not login else replace(spec, ssh=spec.ssh.model_copy(update={"user": login}))
    if not bare_host.is_user(spec.ssh.user):
        hint = "name a normal user in ssh.user, of small letters, digits, - and _"
        raise UsageError(f"{host}: its user is {spec.ssh.user!r}, which no system makes", hint=hint, object=host)
    login_keys = keys or own_public_keys(session.environment)
    facts = _bare_facts(session, spec, login_spec, login_keys)
    wanted = _wanted_state(session, called, login_keys, facts.host, are_named=bool(keys))
    plan = preparation.preparation(facts, wanted)
    if plan.lacks_key:
        several = "this machine's agent has several keys" if login_keys else "no key of this machine is known"
        hint = "name its public half: --public-key FILE.pub"
        raise UsageError(f"by which key is {spec.ssh.user} to be logged in? {several}", hint=hint, object=host)
    return Prepared(called, login_spec, facts, wanted, plan)


def _bare_facts(
    session: Session, spec: HostSpec, login_spec: HostSpec, keys: tuple[str, ...]
) -> preparation.BareHostFacts:
    answer = _call(session, login_spec, bare_host.looking(spec.ssh.user, keys, names=spec.names), _LOOK, LOOK_TIMEOUT_S)
    is_shut = answer.outcome is CallOutcome.FAILED and login_spec.ssh.user == spec.ssh.user
    # A user that may call only our program reports through it what the host lacks.
    if is_shut and (facts := _facts(session, spec)) is not None:
        return preparation.BareHostFacts(
            preparation.by_its_program(facts, spec.ssh.user, spec.names), logs_in=True, proves=True, is_by_program=True
        )
    bare = _bare_in(login_spec, answer)
    _refuse_foreign(spec, bare)
    return preparation.BareHostFacts(
        bare, _logs_in(session, spec, login_spec, bare), proves=bare.has_identity and bool(_facts(session, spec))
    )


def _logs_in(session: Session, spec: HostSpec, login_spec: HostSpec, bare: bare_host.BareHost) -> bool:
    if login_spec.ssh.user == spec.ssh.user:
        return True
    if bare.account is None:
        return False
    try:
        return _login_proof(session, spec).login == spec.ssh.user
    except HostError:
        return False


def _wanted_state(
    session: Session, called: CalledHost, keys: tuple[str, ...], bare: bare_host.BareHost, *, are_named: bool
) -> preparation.Wanted:
    inventory, spec = called.inventory, called.spec
    is_relay = spec.id in inventory.relays
    fault = _source_fault(session, inventory, preparation.arch_of(bare)) if is_relay else ""
    networks = inventory.ssh_sources(spec.id)
    return preparation.Wanted(
        spec.ssh.user, spec.ssh.port, keys, are_named, is_relay, networks, source_fault=fault, names=spec.names
    )


def _source_fault(session: Session, inventory: Inventory, arch: str) -> str:
    error = refusal_here(inventory.settings.mediamtx, arch, session.environment)
    return f"{error.message}; {error.hint}" if error else ""


def prepare_host(session: Session, before: Prepared) -> Prepared:
    """Do the steps, check them, and log in as its own user.

    Raises `HostError` if the host could not be reached, a step failed, or the login fails; the same command resumes.
    """
    spec, login_spec = before.called.spec, before.login
    if not before.plan.deeds.are_none:
        script = bare_host.making(spec.ssh.user, before.wanted.keys, before.plan.deeds, names=spec.names)
        bare = _bare_in(login_spec, _call(session, login_spec, script, _MAKE, MAKE_TIMEOUT_S), is_begun=True)
        _refuse_unfinished(spec, bare)
        _refuse_foreign(spec, bare)
    else:
        bare = before.seen.host
    proof = _login_proof(session, spec)
    facts = replace(before.seen, host=bare, logs_in=proof.login == spec.ssh.user)
    after = replace(before, seen=facts, plan=preparation.preparation(facts, before.wanted))
    if not after.plan.deeds.are_none:
        undone = ", ".join(step.before for step in after.plan.steps if step.after)
        hint = "run the same command again; if it stays so, see what undoes it there"
        raise HostError(f"{spec.id} is not as it should be after all was done: {undone}", hint=hint, object=spec.id)
    if not (facts.logs_in and proof.may and (not facts.proves or _facts(session, spec))):
        hint = f"log in as {spec.ssh.user} and see what `sudo -n -l` says"
        message = f"{spec.id}: {spec.ssh.user} is logged in, and may not do by sudo what is needed"
        raise HostError(message, hint=hint, object=spec.id)
    return replace(after, is_proved=True)


def _bare_in(spec: HostSpec, answer: HostAnswer, *, is_begun: bool = False) -> bare_host.BareHost:
    if answer.outcome is CallOutcome.ANSWERED:
        return parsed(spec.id, wire.BareAnswer, answer.document, bare_host.bare_host_in)
    raise _unanswered_error(spec, answer, is_begun=is_begun)


def _unanswered_error(spec: HostSpec, answer: HostAnswer, *, is_begun: bool) -> HostError:
    address = f"{spec.id} ({spec.ssh.login_at(spec.address)})"
    another = "another login of the host's own, root or one with sudo, is named by --user"
    if is_begun:
        # Work that started there goes on, whatever the cause.
        hint = "what was begun goes on there; run the same command again, which looks first"
        return HostError(
            f"{address} gave no answer to what it was asked for: {answer.error}", hint=hint, object=spec.id
        )
    if answer.outcome is CallOutcome.UNREACHABLE:
        hint = f"{answer.hint}; {another}" if answer.hint else another
        return HostError(f"{address} could not be reached: {answer.error}", hint=hint, object=spec.id)
    hint = f"the login has to be root, or to run `sudo -n true`: {another}"
    return HostError(f"{address} could not be looked at: {answer.error}", hint=hint, object=spec.id)


def _refuse_unfinished(spec: HostSpec, bare: bare_host.BareHost) -> None:
    """Check that all begun steps succeeded."""
    if bare.failed == "owner":
        hint = "somebody works there: look again, with the same command"
        raise PolicyError(f"{spec.id}: whose it is has changed since it was looked at", hint=hint, object=spec.id)
    if bare.failed:
        failure, hint = _ENDED[bare.failed]
        complaint = f": {bare.complaint}" if bare.complaint else ""
        resumption = "what was done before stays, and the same command goes on from there"
        raise HostError(f"{spec.id}: {failure}{complaint}", hint=f"{hint}; {resumption}", object=spec.id)


def _refuse_foreign(spec: HostSpec, bare: bare_host.BareHost) -> None:
    owner = bare.owner
    if owner is not None and not may_be_declared_new(spec, owner):
        hint = FOREIGN_HINTS[owner.shape] or f"ask them first; to take it over: provisioner hosts adopt {spec.id}"
        raise PolicyError(f"{spec.id} belongs to {owner.words}", hint=hint, object=spec.id)


def _login_proof(session: Session, spec: HostSpec) -> bare_host.LoginProof:
    answer = _call(session, spec, bare_host.proving(spec.ssh.user, names=spec.names), _LOOK, LOOK_TIMEOUT_S)
    if answer.outcome is CallOutcome.ANSWERED:
        return parsed(spec.id, wire.BareAnswer, answer.document, bare_host.login_proof_in)
    hint = answer.hint or "see what its SSH server's log says of that login"
    message = f"{spec.id}: all is done there, and {spec.ssh.user} is not logged in: {answer.error}"
    raise HostError(message, hint=hint, object=spec.id)


def _call(session: Session, spec: HostSpec, script: ShellScript, operation: str, timeout_s: float) -> HostAnswer:
    call = HostCall(spec, {"operation": operation}, script=script)
    return session.runner.call([call], timeout_s=timeout_s)[spec.id]


def _facts(session: Session, spec: HostSpec) -> HostFacts | None:
    facts, _ = observe([spec], {spec.id: ()}, session.runner)
    return facts.get(spec.id)


def scanned_key(environment: Mapping[str, str], root: Path, host: KeyedHost) -> SshHostKey:
    """Return a host's unproved key, or raise `HostError` or `UsageError`."""
    answer = key_askers(environment, root).call([show_key_call(host)], timeout_s=SCAN_S)[host.id]
    return SshHostKey(host_key_of(host, answer))


def is_host_key(text: str) -> bool:
    """Return whether a text is a complete host key."""
    return is_host_key_line(text)
