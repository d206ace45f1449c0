"""Rules on signing keys, signatures of plans and approvers of plans."""

from collections.abc import Callable, Iterator
from datetime import date

from provisioner.base.errors import Problem
from provisioner.base.ssh_signature import SignatureFormError, public_key_of
from provisioner.base.text import is_between, msg
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.geography import ProvinceError, by_slug
from provisioner.inventory.model.facility import Operating, Party
from provisioner.inventory.model.inventory import BaseInventory, InProvince
from provisioner.inventory.model.policy import ProvinceScheme, SignOffs
from provisioner.inventory.model.receivers import Approver, CarrierKey, ProvinceKey, SigningKey
from provisioner.inventory.rules.view import View
from provisioner.inventory.signed import SignOffProof, Worth

_LISTS = {Party.DIC: "dic", Party.HEALTH: "health", Party.CARRIER: "carriers"}


class KeyRing:
    """Signing keys of an inventory, by party and fingerprint."""

    def __init__(self, base_inventory: BaseInventory) -> None:
        self._frame = base_inventory
        self._keys: dict[tuple[Party, str], list[SigningKey]] = {}
        self._with_key: dict[tuple[Party, str, ProvinceScheme | None, str], bool] = {}
        for party, name in _LISTS.items():
            for key in getattr(base_inventory.signing_keys, name, ()):
                self._keys.setdefault((party, _fingerprint(key)), []).append(key)

    def refusal(self, facility: InProvince, carrier: str, proof: SignOffProof) -> tuple[str, str, str] | None:
        """Return why a signature does not count (code, message, hint), or `None`."""
        name, inventory_id = proof.party.words, self._frame.settings.id
        if proof.inventory != inventory_id:
            message = msg(
                "the signature of {name} is for the inventory {inventory}, not for {here}",
                name,
                proof.inventory,
                inventory_id,
            )
            return (
                "sign-off-of-another-inventory",
                message,
                "let the party sign here: `provisioner sign-off … --statement`",
            )
        keys = self._keys.get((proof.party, proof.key), []) if proof.key else []
        keys = [key for key in keys if self._is_for(key, facility, carrier)]
        if not keys:
            message = msg("the signature of {name} is by {key}, which may not sign for it here", name, proof.key)
            hint = "let the party sign by a key in signers.yml, or have its key added there, in a change of its own"
            return "sign-off-key-not-allowed", message, hint
        day = date.fromisoformat(proof.signed_on)
        if not any(is_between(day, key.since, key.until) for key in keys):
            message = msg(
                "the signature of {name} is of {day}, when {key} ({office}) did not sign",
                name,
                day,
                proof.key,
                keys[0].office,
            )
            return "sign-off-key-expired", message, "let the party sign by the key that it has now"
        return None

    def has_key(self, facility: InProvince, carrier: str, party: Party) -> bool:
        """Return whether a party has a key for a plan; cached."""
        case = (party, facility.province, facility.province_scheme, carrier)
        if case not in self._with_key:
            keys = (key for (holder, _), listed in self._keys.items() if holder is party for key in listed)
            self._with_key[case] = any(self._is_for(key, facility, carrier) for key in keys)
        return self._with_key[case]

    def _is_for(self, key: SigningKey, facility: InProvince, carrier: str) -> bool:
        if isinstance(key, ProvinceKey):
            return self._frame.is_in(facility, key.province, key.province_scheme)
        return isinstance(key, CarrierKey) and key.carrier == carrier


def approvers_have_keys_of_their_own(view: View) -> Iterator[Problem]:
    """Approvers' keys are valid, unshared, and for known carriers."""
    first: dict[bytes, tuple[str, KeyPath]] = {}
    for path, approver in _approvers(view):
        if approver.until and approver.until < approver.since:
            message = msg("the key of {id} ends on {until}, before it begins", approver.id, approver.until)
            yield view.problem("signers", (*path, "until"), "signer-period", message, "correct one of the two days")
        for number, carrier in enumerate(approver.carriers):
            if not view.knows(f"carrier/{carrier}"):
                message = msg("there is no carrier {carrier}", carrier)
                hint = "correct the id, or write the carrier's file"
                yield view.problem("signers", (*path, "carriers", number), "carrier-unknown", message, hint)
        try:
            key = public_key_of(approver.key)
        except SignatureFormError as error:
            hint = "write the first two words of the person's .pub file"
            yield view.problem("signers", (*path, "key"), "signer-key-unusable", msg("the key {error}", error), hint)
            continue
        first_id, first_path = first.setdefault(key.blob, (approver.id, path))
        if first_id != approver.id:
            where = view.where("signers", *first_path)
            message = msg("{id} and {other} have one key: the other is at {where}", approver.id, first_id, where)
            hint = "let each person make a key of its own: two approvals by one key are one"
            yield view.problem("signers", (*path, "key"), "approver-key-shared", message, hint)


def _approvers(view: View) -> Iterator[tuple[KeyPath, Approver]]:
    keys = view.inventory.signing_keys
    for index, approver in enumerate(keys.approvers if keys else ()):
        yield ("approvers", index), approver


def enough_people_can_approve(view: View) -> Iterator[Problem]:
    """An approval rule requires at most as many people as can approve."""
    policy = view.inventory.settings.policy.approvals
    if policy is None or "signers" in view.broken:
        return
    valid = [approver for _, approver in _approvers(view) if is_between(view.today, approver.since, approver.until)]
    for index, rule in enumerate(policy.rules):
        for carrier in sorted(view.inventory.carriers):
            people = {
                approver.id
                for approver in valid
                if (rule.role is None or rule.role in approver.roles)
                and (not approver.carriers or carrier in approver.carriers)
            }
            if len(people) < rule.people:
                role = (" " + msg("as {role}", rule.role)) if rule.role else ""
                names = ", ".join(sorted(people)) or "nobody"
                demand = msg("policy.approvals asks for {people} of those who approve{role}", rule.people, role)
                message = msg("{asked}, and for hosts of {carrier} there is: {has}", demand, carrier, names)
                hint = "add approvers to signers.yml, or ask for fewer; until then such plans cannot be applied"
                path: KeyPath = ("policy", "approvals", "rules", index)
                yield view.warning("inventory", path, "approvers-lacking", message, hint)


def keys_are_of_existing_parties(view: View) -> Iterator[Problem]:
    """Parties' keys are valid, and of known provinces and carriers."""
    for _, path, key in _signing_keys(view):
        try:
            public_key_of(key.key)
        except SignatureFormError as error:
            hint = "write the first two words of the office's .pub file"
            yield view.problem("signers", (*path, "key"), "signer-key-unusable", msg("the key {error}", error), hint)
        if key.until and key.until < key.since:
            message = msg("the key of {office} ends on {until}, before it begins", key.office, key.until)
            yield view.problem("signers", (*path, "until"), "signer-period", message, "correct one of the two days")
        if isinstance(key, CarrierKey) and not view.knows(f"carrier/{key.carrier}"):
            message = msg("there is no carrier {carrier}", key.carrier)
            hint = "correct the id, or write the carrier's file"
            yield view.problem("signers", (*path, "carrier"), "carrier-unknown", message, hint)
        if isinstance(key, ProvinceKey):
            try:
                by_slug(key.province, view.inventory.scheme_of(key.province_scheme))
            except ProvinceError as error:
                yield view.problem("signers", (*path, "province"), "province-unknown", str(error), "correct the slug")


def _signing_keys(view: View) -> Iterator[tuple[Party, KeyPath, SigningKey]]:
    for party, name in _LISTS.items():
        for index, key in enumerate(getattr(view.inventory.signing_keys, name, ())):
            yield party, (name, index), key


def no_key_is_of_two_parties(view: View) -> Iterator[Problem]:
    """Two parties never share a key: the holder could sign as both."""
    first: dict[str, tuple[Party, KeyPath]] = {}
    for party, path, key in _signing_keys(view):
        fingerprint = _fingerprint(key)
        first_party, first_path = first.setdefault(fingerprint, (party, path)) if fingerprint else (party, path)
        if first_party is not party:
            message = msg(
                "{names} and {names_2} have one key: the other is at {view}",
                party.words,
                first_party.words,
                view.where("signers", *first_path),
            )
            hint = "let each office make a key of its own"
            yield view.problem("signers", (*path, "key"), "signer-key-shared", message, hint)


def _fingerprint(key: SigningKey) -> str:
    """Return a key's fingerprint; empty if invalid, as no signature has it."""
    try:
        return public_key_of(key.key).fingerprint
    except SignatureFormError:
        return ""


def signatures_are_of_the_parties(view: View) -> Iterator[Problem]:
    """Sign-offs have valid signatures, if the policy requires them."""
    # A signature must be for this inventory, by a key that its party had on that day.
    if "signers" in view.broken:
        return
    ring = KeyRing(view.inventory)
    required = view.inventory.settings.policy.sign_offs is SignOffs.SIGNED
    for owner, name, facility, plan in view.plans():
        if facility.operating is Operating.CLOSED:
            continue
        for index, proof in enumerate(plan.proofs):
            path: KeyPath = (name, "sign_offs", index)
            if proof.worth is Worth.CLAIMED and required and plan.agreed:
                yield _unsigned_problem(view, owner, path, proof)
            elif proof.worth is Worth.SIGNED and (refusal := ring.refusal(facility, plan.carrier, proof)):
                yield view.problem(owner, (*path, "signature"), *refusal)


def _unsigned_problem(view: View, owner: str, path: KeyPath, proof: SignOffProof) -> Problem:
    message = msg("the sign-off of {names} has no signature, and policy.sign_offs is signed", proof.party.words)
    command = f"provisioner sign-off {owner.partition('/')[2]} --by {proof.party.value}"
    hint = msg("let the party sign what `{command} --statement …` prints, and record it with --signature FILE", command)
    return view.problem(owner, path, "sign-off-claimed", message, hint)


def parties_with_a_key_sign_by_it(view: View) -> Iterator[Problem]:
    """If the policy accepts claims, warn of claims by parties with keys."""
    if view.inventory.settings.policy.sign_offs is SignOffs.SIGNED or not view.inventory.signing_keys:
        return
    ring = KeyRing(view.inventory)
    for owner, name, facility, plan in view.plans():
        if facility.operating is Operating.CLOSED or not plan.agreed:
            continue
        claimed = [p.party for p in plan.proofs if p.worth is Worth.CLAIMED]
        if parties := [party for party in claimed if ring.has_key(facility, plan.carrier, party)]:
            names = ", ".join(party.words for party in parties)
            message = msg(
                "the {name} is agreed without a signature of: {names}; signers.yml has a key of each", name, names
            )
            hint = (
                "let them sign what `provisioner sign-off … --statement` prints; policy.sign_offs: signed asks for it"
            )
            path: KeyPath = (name, "sign_offs")
            yield view.warning(owner, path, "sign-off-claimed", message, hint)


def withdrawals_are_of_existing_facilities(view: View) -> Iterator[Problem]:
    """Withdrawals name existing facilities; for a removed one the entry can go."""
    keys = view.inventory.signing_keys
    for index, withdrawal in enumerate(keys.withdrawn if keys else ()):
        if withdrawal.facility not in view.outlines and f"facility/{withdrawal.facility}" not in view.broken:
            message = msg("there is no facility {facility}", withdrawal.facility)
            hint = "correct the id, or remove the entry"
            path: KeyPath = ("withdrawn", index, "facility")
            yield view.warning("signers", path, "facility-unknown", message, hint)


def withdrawn_agreements_stay_withdrawn(view: View) -> Iterator[Problem]:
    """An old plan cannot return with its withdrawn sign-offs."""
    keys = view.inventory.signing_keys
    withdrawn = sorted(keys.withdrawn, key=lambda entry: entry.before) if keys else []
    before = {withdrawal.facility: withdrawal.before for withdrawal in withdrawn}
    for owner, name, facility, plan in view.plans():
        first = before.get(facility.id)
        if first is None or not plan.agreed or facility.operating is Operating.CLOSED:
            continue
        for index, proof in enumerate(plan.proofs):
            if date.fromisoformat(proof.signed_on) < first:
                statement = msg("the sign-off of {names} is of {signed_on}", proof.party.words, proof.signed_on)
                message = msg("{of}; those before {first} are withdrawn in signers.yml", statement, first)
                hint = "let all three agree to what the plan says now, and record that with `provisioner sign-off`"
                path: KeyPath = (name, "sign_offs", index, "signed_on")
                yield view.problem(owner, path, "sign-off-withdrawn", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    keys_are_of_existing_parties,
    no_key_is_of_two_parties,
    signatures_are_of_the_parties,
    parties_with_a_key_sign_by_it,
    withdrawals_are_of_existing_facilities,
    withdrawn_agreements_stay_withdrawn,
    approvers_have_keys_of_their_own,
    enough_people_can_approve,
)
