"""By which keys a gateway is known: the present pair, and the one that follows while its key is changed. Pure."""

from __future__ import annotations

from provisioner.base.errors import SecretsError
from provisioner.base.secret import Secret
from provisioner.desired.required import secret_of
from provisioner.inventory.model import CarrierSecrets, Facility

_PSK = "pre-shared key"


def present_psk(secrets: CarrierSecrets, facility: Facility) -> Secret:
    """The pre-shared key of the key that the facility's file has.

    Where a change of keys has ended in the file it is the one that followed, whether or not the vault was tidied since.

    Raises:
        SecretsError: the vault has none.
    """
    following = secrets.next_psks.get(facility.id)
    key = facility.gateway.public_key if facility.gateway else None
    if following is not None and key is not None and following.follows != key:
        return following.psk
    return secret_of(secrets.site_psks, facility.id, _PSK)


def next_psk(secrets: CarrierSecrets, facility: Facility) -> Secret:
    """The pre-shared key of a gateway's next key.

    Raises:
        SecretsError: the vault has none that follows the present key.
    """
    following = secrets.next_psks.get(facility.id)
    key = facility.gateway.public_key if facility.gateway else None
    if following is None or following.follows != key:
        hint = f"run: provisioner keys rotate {facility.id}"
        raise SecretsError(f"the vault holds no next {_PSK} of {facility.id}", hint=hint, object=facility.id)
    return following.psk
