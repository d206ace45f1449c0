"""Whether an ID token is the provider's, of this sign-in, for this server, and which role its reader has."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

import jwt

from provisioner.base.json_document import Document
from provisioner.web.merged import listed, text
from provisioner.web.provider_settings import ProviderSettings
from provisioner.web.scope import Reader

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by a key that only the provider has; a shared secret would make tokens for whoever reads ours."""
_LEEWAY_S: Final = 60
_LONGEST_NAME: Final = 200


class TokenError(Exception):
    """A token that proves nothing; the message quotes nothing of it."""


class UnknownKeyError(TokenError):
    """A token of a key that the provider did not publish when it was asked."""


class NoRoleError(Exception):
    """Somebody who signed in, and has no role here, or several."""


def claims_of(token: str, keys: Document, settings: ProviderSettings, nonce: str) -> Mapping[str, object]:
    """What a token says, where it is one that counts.

    Args:
        token: as the provider gave it for a code.
        keys: by which the provider signs.
        settings: which provider, and which client.
        nonce: of the sign-in that was begun.

    Raises:
        UnknownKeyError: the key is none of these.
        TokenError: it does not count.
    """
    try:
        key = _key(jwt.get_unverified_header(token), keys)
        claims: Mapping[str, object] = jwt.decode(
            token,
            key.key,
            algorithms=_ALGORITHMS,
            audience=settings.client_id,
            issuer=settings.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as error:
        raise TokenError(f"the token proves nothing ({type(error).__name__})") from None
    if not hmac.compare_digest(text(claims.get("nonce")).encode(), nonce.encode()):
        raise TokenError("the token is of another sign-in")
    several = isinstance(claims.get("aud"), list) and len(listed(claims["aud"])) > 1
    if claims.get("azp", settings.client_id if not several else None) != settings.client_id:
        raise TokenError("the token is for another client")
    return claims


def _key(header: Mapping[str, object], keys: Document) -> jwt.PyJWK:
    """The key that a token names, or the only one there is."""
    known = jwt.PyJWKSet.from_dict(keys).keys
    name = header.get("kid")
    chosen = [key for key in known if (key.key_id == name if name is not None else len(known) == 1)]
    usable = [key for key in chosen if key.public_key_use in {None, "sig"}]
    if not usable:
        raise UnknownKeyError("the token is of a key that the provider did not publish")
    return usable[0]


def reader_of(claims: Mapping[str, object], settings: ProviderSettings) -> Reader:
    """Who signed in.

    Raises:
        NoRoleError: no group of theirs has a role, or two have different ones: it is not guessed which counts.
    """
    said = claims.get(settings.claim)
    groups = [said] if isinstance(said, str) else [text(one) for one in listed(said)]
    readers = {settings.roles[group] for group in groups if group in settings.roles}
    if len(readers) != 1:
        raise NoRoleError("several roles" if readers else "no role")
    name = text(claims.get("preferred_username")) or text(claims.get("sub"))
    return Reader(next(iter(readers)).scope, name[:_LONGEST_NAME] if name.isprintable() else "")
