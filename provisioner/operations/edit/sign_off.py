"""Sign-offs of a plan: the signed statement, the signature, the file.

`ssh-keygen` signs with a key in a file, an agent or a token; no key is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.language import marked
from provisioner.base.private_text import holds_personal_data, states_login
from provisioner.base.processes import OutputTooLongError, StillRunningError, run_quietly, small_environment
from provisioner.base.ssh_signature import SignatureFormError, unarmoured
from provisioner.base.text import msg, printable
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.geography import ProvinceError
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model.facility import ConnectionPlan, Facility, Party, PlanState, Signature, SignOff
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.model.policy import SignOffs
from provisioner.inventory.rules.approvals import KeyRing
from provisioner.inventory.signed import SignOffProof, Worth, proof_of, proofs_of, signed_content, statement
from provisioner.operations.edit.file_edit import FileEdit, checked_together, edited_file, facility_file, facility_named

_NOWHERE: Mapping[str, str] = {}  #: An environment without a cache folder.

#: Variables for `ssh-keygen`: the agent and the passphrase dialogue, no password of ours.
_PASSED: Final = ("HOME", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TERM", "LANG")

_TIMEOUT_S: Final = 300  #: A person types a passphrase or touches a token meanwhile.

_MOST_SIGNATURE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement to a facility's plan or successor, by minutes or letter."""

    facility: str
    plan: str
    parties: tuple[str, ...]
    signed_on: date
    source: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A written agreement."""

    path: Path
    content: str
    missing: tuple[str, ...]
    key: str = ""  #: The signing key's fingerprint; empty for a claim.
    agreed: bool = False  #: Whether the plan became `agreed` with this last signature.


@dataclass(frozen=True, slots=True)
class _Case:
    frame: BaseInventory
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
    """A plan to sign, with names of province and carrier."""

    facility: Facility
    plan: ConnectionPlan
    province: str
    carrier: str


def plan_to_sign(
    root: Path, facility: str, *, successor: bool, today: date, environment: Mapping[str, str] = _NOWHERE
) -> PlanToSign:
    """Return a facility's plan to sign, or raise `UsageError`."""
    agreement = Agreement(facility, "successor" if successor else "plan", (), today, "")
    case = _case_of(_loaded(root, today, environment), agreement)
    carriers = case.frame.carriers
    carrier = carriers[case.plan.carrier].name if case.plan.carrier in carriers else case.plan.carrier
    try:
        province = case.frame.province_today(case.facility).full_name
    except ProvinceError:
        province = case.facility.province
    return PlanToSign(case.facility, case.plan, province, carrier)


def statement_of(root: Path, agreement: Agreement, *, today: date, environment: Mapping[str, str] = _NOWHERE) -> bytes:
    """Return the bytes that the agreement's one party has to sign.

    Raises `UsageError` like `sign_off`, or if there is more than one party.
    """
    case = _case_of(_loaded(root, today, environment), agreement)
    return statement(case.facility, case.plan, _single_sign_off(case, agreement), case.frame.settings.id)


def sign_off(
    root: Path,
    agreements: Sequence[tuple[Agreement, bytes | None]],
    *,
    today: date,
    environment: Mapping[str, str] = _NOWHERE,
) -> tuple[Signed, ...]:
    """Write agreements and their plans' hashes into the facilities' files.

    Beside an agreement is the output of `ssh-keygen -Y sign` over its statement; without it the agreement is claimed.
    On a refusal of any one nothing is written. Raises `InventoryError` if the facility cannot be read or edited, or
    would be invalid, or the signature is; `UsageError` if there is no such facility or plan, the day is in the future,
    the source holds private data, the policy requires a signature, or a claim would replace a signature that counts.
    """
    loaded = _loaded(root, today, environment)
    made = [_signed_edit(root, loaded, agreement, signature) for agreement, signature in agreements]
    for edit in checked_together(loaded, root, [edit for edit, _ in made], today):
        edit.write(root)
    return tuple(signed for _, signed in made)


def _signed_edit(root: Path, loaded: Loaded, agreement: Agreement, signature: bytes | None) -> tuple[FileEdit, Signed]:
    case = _case_of(loaded, agreement)
    if signature is None:
        refuse_claims(case.frame, agreement.source)
        _refuse_to_replace_signatures(case, agreement)
        sign_offs, key = [case.sign_off(party, agreement) for party in agreement.parties], ""
    else:
        signed, key = _checked_signature(case, _single_sign_off(case, agreement), signature)
        sign_offs = [signed]
    path = facility_file(root, case.facility)
    signers = {s.by.value for s in case.plan.sign_offs if s.content == case.content} | set(agreement.parties)
    missing = tuple(party.value for party in Party if party.value not in signers)
    changes: dict[KeyPath, object] = {
        **_sign_off_changes(agreement.plan, case.plan, [_written(item) for item in sign_offs])
    }
    # A plan that all three signed is agreed if it has a gateway and cameras.
    agreed = not missing and not case.plan.agreed and case.facility.gateway is not None and bool(case.facility.cameras)
    if agreed:
        changes[agreement.plan, "state"] = PlanState.AGREED.value
    texts = edited_file(path, changes, "write the sign-off by hand")
    return FileEdit(agreement.facility, path, *texts), Signed(path, case.content, missing, key, agreed)


def _loaded(root: Path, today: date, environment: Mapping[str, str]) -> Loaded:
    return load(root, today=today, cache=cache_of(root, environment) if environment else None)


def _case_of(loaded: Loaded, agreement: Agreement) -> _Case:
    facility = facility_named(loaded, agreement.facility)
    plan = facility.successor if agreement.plan == "successor" else facility.plan
    if plan is None or loaded.frame is None:
        hint = msg("write {plan} into its file first", agreement.plan)
        message = msg("facility {facility} has no {plan} to sign", facility.id, agreement.plan)
        raise UsageError(message, hint=hint, object=facility.id)
    if agreement.signed_on > loaded.today:
        raise UsageError(f"--on {agreement.signed_on} is a day to come", hint="name the day on which it was agreed")
    _refuse_private(agreement.source)
    return _Case(loaded.frame, facility, plan, signed_content(facility, plan))


def _refuse_to_replace_signatures(case: _Case, agreement: Agreement) -> None:
    """Refuse a claim in place of a party's own signature."""
    signatures = _valid_signatures(case)
    for proof in (signatures[party] for party in agreement.parties if party in signatures):
        message = msg(
            "{party} signed the {plan} of {facility} itself, with {key} on {day}: a claim does not replace that",
            proof.party.words,
            agreement.plan,
            case.facility.id,
            proof.key,
            proof.signed_on,
        )
        hint = marked("name the other parties with --by; the party itself signs again by --key or --signature")
        raise UsageError(message, hint=hint, object=case.facility.id)


def _valid_signatures(case: _Case) -> dict[str, SignOffProof]:
    """Return the proofs of signatures that count, by party."""
    ring, keys = KeyRing(case.frame), case.frame.signing_keys
    first_days = (w.before for w in (keys.withdrawn if keys else ()) if w.facility == case.facility.id)
    first_day = max(first_days, default=date.min)
    return {
        proof.party.value: proof
        for proof in proofs_of(case.facility, case.plan, case.content)
        if proof.worth is Worth.SIGNED
        and date.fromisoformat(proof.signed_on) >= first_day
        and not ring.refusal(case.facility, case.plan.carrier, proof)
    }


def _checked_signature(case: _Case, sign_off: SignOff, signature: bytes) -> tuple[SignOff, str]:
    """Check a signature as `validate` does; return sign-off and key fingerprint."""
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


def _single_sign_off(case: _Case, agreement: Agreement) -> SignOff:
    if len(agreement.parties) != 1:
        raise UsageError("one party signs at a time", hint="name one --by, and call it again for the others")
    return case.sign_off(agreement.parties[0], agreement)


def _sign_off_changes(
    key: str, plan: ConnectionPlan, sign_offs: Sequence[Flow]
) -> dict[KeyPath, Flow | Sequence[Flow]]:
    """Replace each party's older sign-off, or append to the list."""
    if not plan.sign_offs:
        return {(key, "sign_offs"): sign_offs}
    places = {sign_off.by.value: index for index, sign_off in enumerate(plan.sign_offs)}
    for sign_off in sign_offs:
        places.setdefault(str(sign_off["by"]), len(places))
    return {(key, "sign_offs", places[str(sign_off["by"])]): sign_off for sign_off in sign_offs}


def claimed_by_all(
    base_inventory: BaseInventory, facility: Facility, plan: ConnectionPlan, day: date, source: str
) -> list[Flow]:
    """Return sign-offs of all three parties: valid signatures, else claims.

    Raises `UsageError` if the policy requires signatures, or the source is invalid or holds private data.
    """
    refuse_claims(base_inventory, source)
    case = _Case(base_inventory, facility, plan, signed_content(facility, plan))
    agreement = Agreement(facility.id, "", tuple(party.value for party in Party), day, source)
    valid = _valid_signatures(case)
    kept: dict[str, SignOff] = {
        sign_off.by.value: sign_off for sign_off in plan.sign_offs if sign_off.by.value in valid
    }
    return [_written(kept.get(party) or case.sign_off(party, agreement)) for party in agreement.parties]


def _written(sign_off: SignOff) -> Flow:
    return Flow(sign_off.model_dump(mode="json", exclude_none=True))


def refuse_claims(base_inventory: BaseInventory, source: str) -> None:
    """Refuse claimed agreements if the policy requires signatures, or raise `UsageError`."""
    if base_inventory.settings.policy.sign_offs is SignOffs.SIGNED:
        hint = "add --key FILE, or let the party sign what --statement prints and add --signature FILE"
        raise UsageError("this inventory's policy takes sign-offs with a signature only", hint=hint)
    _refuse_private(source)


def _refuse_private(source: str) -> None:
    if states_login(source) or holds_personal_data(source):
        hint = "name the minutes or letter; people stand in contacts/ alone, and logins in secrets/"
        raise UsageError("--source holds a phone number, an e-mail address or a login (not repeated here)", hint=hint)


def made_signature(message: bytes, key: Path, namespace: str, env: Mapping[str, str]) -> bytes:
    """Return the signature file of `ssh-keygen -Y sign`, or raise `UsageError`.

    ssh-keygen asks for a passphrase on the terminal. `key` may be a public key's file if the private key is in an
    agent.
    """
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key.absolute())]
    passed = {name: env[name] for name in _PASSED if name in env} | small_environment(env)
    try:
        done = run_quietly(argv, passed, stdin=message, timeout_s=_TIMEOUT_S, most_bytes=_MOST_SIGNATURE)
    except (OSError, StillRunningError, OutputTooLongError):
        hint = "install openssh-client, or sign elsewhere: see --statement"
        raise UsageError("ssh-keygen cannot be run, or does not end", hint=hint) from None
    if done.code != 0:
        complaint = (done.said.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        hint = "name a key that it can sign by"
        raise UsageError(f"ssh-keygen did not sign by {key}: {printable(complaint, 200)}", hint=hint)
    return done.output
