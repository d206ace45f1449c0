"""Sign-offs of a plan: the signed statement, the signature, the file.

`ssh-keygen` signs, by a key in a file, in an agent or in a token: no key is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.private_text import holds_personal_data, states_login
from provisioner.base.processes import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.ssh_signature import SignatureFormError, unarmoured
from provisioner.base.text import printable
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.geography import ProvinceError
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import load
from provisioner.inventory.model import ConnectionPlan, Facility, Frame, Party, PlanState, Signature, SignOff, SignOffs
from provisioner.inventory.rules.approvals import KeyRing
from provisioner.inventory.signed import Worth, proof_of, signed_content, statement
from provisioner.operations.edit.file_edit import edit_file, facility_file, facility_named

_NOWHERE: Mapping[str, str] = MappingProxyType({})
"""An environment that names no place for a cache."""

_PASSED: Final = ("HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TERM", "LANG")
"""What it may know of the environment: where the agent is and how to ask for a passphrase; no password of ours."""

_TIMEOUT_S: Final = 300
"""A person types a passphrase meanwhile, or touches a token."""

_MOST_SIGNATURE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who agreed to which of a facility's plans, when, and where that is written.

    Attributes:
        facility: the facility's id.
        plan: `plan`, or `successor` for the next connection's.
        parties: who agreed, as the file has them.
        signed_on: the day of the agreement.
        source: the minutes or letter that holds it.
    """

    facility: str
    plan: str
    parties: tuple[str, ...]
    signed_on: date
    source: str


@dataclass(frozen=True, slots=True)
class Signed:
    """What was written.

    Attributes:
        path: the facility's file.
        content: the hash of what was agreed.
        missing: the parties that have still to sign what the file says now.
        key: the fingerprint of the key that signed; empty where the agreement is claimed.
        agreed: whether the plan has become `agreed` with it: the last of the three has signed.
    """

    path: Path
    content: str
    missing: tuple[str, ...]
    key: str = ""
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class _Case:
    """The plan that is agreed, and whose."""

    frame: Frame
    facility: Facility
    plan: ConnectionPlan
    content: str

    def sign_off(self, party: str, agreement: Agreement) -> SignOff:
        try:
            return SignOff(
                by=Party(party), signed_on=agreement.signed_on, content=self.content, source=agreement.source
            )
        except ValidationError as error:
            hint = "name the minutes or the letter in one line of at most 300 characters"
            raise UsageError("--source cannot be written like that", hint=hint) from error


@dataclass(frozen=True, slots=True)
class PlanToSign:
    """A plan as it stands in the file, and what its ids are called.

    Attributes:
        facility: whose.
        plan: the plan, or the successor.
        province: the province's name.
        carrier: the carrier's name.
    """

    facility: Facility
    plan: ConnectionPlan
    province: str
    carrier: str


def plan_to_sign(
    root: Path, facility: str, *, successor: bool, today: date, environment: Mapping[str, str] = _NOWHERE
) -> PlanToSign:
    """What the parties of a facility's plan are to sign.

    Args:
        root: the inventory's folder.
        facility: its id.
        successor: whether it is the next connection's plan.
        today: this day.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: the facility cannot be read.
        UsageError: there is no such facility or plan.
    """
    agreement = Agreement(facility, "successor" if successor else "plan", (), today, "")
    case = _case(root, agreement, today, environment)
    carriers = case.frame.carriers
    carrier = carriers[case.plan.carrier].name if case.plan.carrier in carriers else case.plan.carrier
    try:
        province = case.frame.province_today(case.facility).name
    except ProvinceError:
        province = case.facility.province
    return PlanToSign(case.facility, case.plan, province, carrier)


def statement_of(root: Path, agreement: Agreement, *, today: date, environment: Mapping[str, str] = _NOWHERE) -> bytes:
    """What the agreement's one party has to sign, byte for byte, for the plan as it stands in the file.

    Args:
        root: the inventory's folder.
        agreement: what is agreed.
        today: this day.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: the facility cannot be read.
        UsageError: as for `sign_off`, or there is more than one party.
    """
    case = _case(root, agreement, today, environment)
    return statement(case.facility, case.plan, _only(case, agreement), case.frame.settings.id)


def sign_off(
    root: Path,
    agreement: Agreement,
    *,
    today: date,
    signature: bytes | None = None,
    environment: Mapping[str, str] = _NOWHERE,
) -> Signed:
    """Write an agreement into the facility's file, with a hash of the plan as it stands there.

    Args:
        root: the inventory's folder.
        agreement: what was agreed.
        today: this day; nothing is agreed later.
        signature: what `ssh-keygen -Y sign` made of the party's statement; without it the agreement is claimed.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: the facility cannot be read, its file cannot be edited, or the signature does not count.
        UsageError: there is no such facility or plan, the day is one to come, the source names what is private, or the
            policy asks for a signature.
    """
    case = _case(root, agreement, today, environment)
    if signature is None:
        refuse_claims(case.frame, agreement.source)
        sign_offs, key = [case.sign_off(party, agreement) for party in agreement.parties], ""
    else:
        signed, key = _signed(case, _only(case, agreement), signature)
        sign_offs = [signed]
    path = facility_file(root, case.facility)
    signers = {s.by.value for s in case.plan.sign_offs if s.content == case.content} | set(agreement.parties)
    missing = tuple(party.value for party in Party if party.value not in signers)
    changes: dict[KeyPath, object] = {
        **_sign_off_changes(agreement.plan, case.plan, [_written(item) for item in sign_offs])
    }
    # What all three have signed is agreed, where there is something to connect.
    agreed = not missing and not case.plan.agreed and case.facility.gateway is not None and bool(case.facility.cameras)
    if agreed:
        changes[agreement.plan, "state"] = PlanState.AGREED.value
    edit_file(root, path, changes, "write the sign-off by hand")
    return Signed(path, case.content, missing, key, agreed)


def _case(root: Path, agreement: Agreement, today: date, environment: Mapping[str, str]) -> _Case:
    loaded = load(root, today=today, cache=cache_of(root, environment) if environment else None)
    facility = facility_named(loaded, agreement.facility)
    plan = facility.successor if agreement.plan == "successor" else facility.plan
    if plan is None or loaded.frame is None:
        hint = f"write {agreement.plan} first"
        raise UsageError(f"facility {facility.id} has no {agreement.plan} to sign", hint=hint, object=facility.id)
    if agreement.signed_on > today:
        raise UsageError(f"--on {agreement.signed_on} is a day to come", hint="name the day on which it was agreed")
    _refuse_private(agreement.source)
    return _Case(loaded.frame, facility, plan, signed_content(facility, plan))


def _signed(case: _Case, sign_off: SignOff, signature: bytes) -> tuple[SignOff, str]:
    """The sign-off with its signature, which has to count as it will in `validate`; and the key's fingerprint."""
    here = case.frame.settings.id
    try:
        signed = sign_off.model_copy(update={"signature": Signature(inventory=here, sshsig=unarmoured(signature))})
    except SignatureFormError as error:
        raise InventoryError(f"the signature {error}", hint="name the .sig file that it wrote") from error
    proof = proof_of(case.facility, case.plan, signed, case.content)
    if proof.worth is not Worth.SIGNED:
        hint = "sign what --statement prints with the same --on and --source, byte for byte, and change nothing since"
        raise InventoryError(f"the signature {proof.fault}", hint=hint)
    if refusal := KeyRing(case.frame).refusal(case.facility, case.plan.carrier, proof):
        raise InventoryError(refusal[1], hint=refusal[2])
    return signed, proof.key


def _only(case: _Case, agreement: Agreement) -> SignOff:
    """The sign-off of the one party that signs: each signs by itself."""
    if len(agreement.parties) != 1:
        raise UsageError("one party signs at a time", hint="name one --by, and call it again for the others")
    return case.sign_off(agreement.parties[0], agreement)


def _sign_off_changes(
    key: str, plan: ConnectionPlan, sign_offs: Sequence[Flow]
) -> dict[KeyPath, Flow | Sequence[Flow]]:
    """Where each sign-off goes: the place of the party's older one, or the end of the list."""
    if not plan.sign_offs:
        return {(key, "sign_offs"): sign_offs}
    places = {sign_off.by.value: index for index, sign_off in enumerate(plan.sign_offs)}
    for sign_off in sign_offs:
        places.setdefault(str(sign_off["by"]), len(places))
    return {(key, "sign_offs", places[str(sign_off["by"])]): sign_off for sign_off in sign_offs}


def claimed_by_all(frame: Frame, facility: Facility, plan: ConnectionPlan, day: date, source: str) -> list[Flow]:
    """All three parties' sign-offs of a plan that is about to be written, as they stand in its file.

    Args:
        frame: the inventory.
        facility: whose plan.
        plan: the plan as it will stand there.
        day: the day of the agreement.
        source: the minutes or letter that holds it.

    Raises:
        UsageError: the policy asks for signatures, or the source cannot be written or names what is private.
    """
    refuse_claims(frame, source)
    case = _Case(frame, facility, plan, signed_content(facility, plan))
    agreement = Agreement(facility.id, "", tuple(party.value for party in Party), day, source)
    return [_written(case.sign_off(party, agreement)) for party in agreement.parties]


def _written(sign_off: SignOff) -> Flow:
    return Flow(sign_off.model_dump(mode="json", exclude_none=True))


def refuse_claims(frame: Frame, source: str) -> None:
    """Refuse to write what somebody only says of the parties, where the policy wants their signatures.

    Raises:
        UsageError: it does, or the source names what is private.
    """
    if frame.settings.policy.sign_offs is SignOffs.SIGNED:
        hint = "add --key FILE, or let the party sign what --statement prints and add --signature FILE"
        raise UsageError("this inventory's policy takes sign-offs with a signature only", hint=hint)
    _refuse_private(source)


def _refuse_private(source: str) -> None:
    """Refuse a source that names what is private.

    Raises:
        UsageError: it does.
    """
    if states_login(source) or holds_personal_data(source):
        hint = "name the minutes or letter; people stand in contacts/ alone, and logins in secrets/"
        raise UsageError("--source holds a phone number, an e-mail address or a login (not repeated here)", hint=hint)


def made_signature(message: bytes, key: Path, namespace: str, env: Mapping[str, str]) -> bytes:
    """Let a key sign, and give the file that `ssh-keygen -Y sign` would have written.

    It asks for a passphrase on the terminal by itself.

    Args:
        message: what is signed.
        key: the private key's file, or the public one's where the private key is in an agent.
        namespace: what the signature is for.
        env: the caller's environment.

    Raises:
        UsageError: it cannot be run, or does not sign.
    """
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key.absolute())]
    passed = {name: env[name] for name in _PASSED if name in env} | small_environment(env)
    try:
        done = run_quietly(argv, passed, stdin=message, timeout_s=_TIMEOUT_S, most_bytes=_MOST_SIGNATURE)
    except (OSError, StillRunningError, OutputTooLongError):
        hint = "install openssh-client, or sign elsewhere: see --statement"
        raise UsageError("ssh-keygen cannot be run, or does not end", hint=hint) from None
    if done.code != 0:
        said = (done.said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        hint = "name a key that it can sign by"
        raise UsageError(f"ssh-keygen did not sign by {key}: {printable(said, 200)}", hint=hint)
    return done.output
