"""Tokens and key sets of odd types end in `TokenError`, never in another exception."""

import base64
import json
import time
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from provisioner.web.sign_in import TokenError, claims_of, read_settings
from tests.hostile import VIEWER
from tests.provider import DoubleProvider

NONCE: Final = "of this sign-in"
_OURS: Final = read_settings(DoubleProvider("https://login.example.com").settings(), "sign-in.toml")
_EC: Final = ec.generate_private_key(ec.SECP256R1())
_RSA: Final = rsa.generate_private_key(65537, 2048)
_PRIVATE: Final = {"ES256": _EC, "RS256": _RSA}
_PUBLIC: Final[dict[str, dict[str, Any]]] = {
    "ES256": ECAlgorithm.to_jwk(_EC.public_key(), as_dict=True),
    "RS256": RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True),
    "OKP": {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(b"\1" * 32).rstrip(b"=").decode()},
}
_WORDS: Final = ("RS256", "ES256", "EdDSA", "HS256", "none", "P-256", "Ed448", "EC", "RSA", "OKP", "oct", "sig", "AQAB")
_ODD: Final = st.one_of(
    st.sampled_from((*_WORDS, "", "AA", "=", "\x00", "é", "\ud800", "A" * 5000, 10**400, [1], ["k1"], {}, {"a": 1})),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
_HEADER: Final = ("alg", "kid", "typ", "b64", "crit")
_KEY: Final = ("kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "oth", "kid", "use", "alg", "k")
_CLAIMS: Final = ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "provisioner_role")
_RAW: Final = (b"", b"\xff", b"[" * 20_000, b"9" * 5000, b'{"a":' + b"9" * 5000 + b"}", b'{"alg":"RS256","alg":"none"}')


def _part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _token(header: object, claims: object, algorithm: str) -> str:
    text = f"{_part(header)}.{_part(claims)}"
    made: Any = jwt.get_algorithm_by_name(algorithm)
    return f"{text}.{_part(made.sign(text.encode(), _PRIVATE[algorithm]))}"


def _claims() -> dict[str, object]:
    now = int(time.time())
    ours = {"iss": _OURS.issuer, "sub": "u-1", "aud": _OURS.client_id, "nonce": NONCE}
    return {**ours, "iat": now, "exp": now + 300}


def _header(algorithm: str) -> dict[str, object]:
    return {"alg": algorithm, "kid": "k1", "typ": "JWT"}


def _judge(token: str, keys: dict[str, object]) -> None:
    """Read a token: its claims or a `TokenError`."""
    try:
        claims = claims_of(token, keys, _OURS, NONCE)
    except TokenError:
        return
    assert claims["nonce"] == NONCE


def _keys(algorithm: str, **values: object) -> dict[str, object]:
    return {"keys": [{**_PUBLIC[algorithm], "kid": "k1", **values}]}


def _honest(algorithm: str) -> str:
    return _token(_header(algorithm), _claims(), algorithm)


@VIEWER
@pytest.mark.parametrize(
    ("token", "keys"),
    [
        (_honest("RS256"), _keys("OKP")),
        (_honest("ES256"), _keys("RS256")),
        (_honest("RS256"), _keys("ES256")),
        ("\ud800" + _honest("ES256"), _keys("ES256")),
        ("é" + _honest("ES256"), _keys("ES256")),
        (_token(_header("ES256"), _claims() | {"nonce": "\ud800"}, "ES256"), _keys("ES256")),
        (_honest("ES256"), _keys("ES256", use=[])),
        (_honest("ES256"), _keys("ES256", alg=["ES256"])),
        (_honest("ES256"), _keys("ES256", kty=["EC"])),
        (_honest("ES256"), _keys("ES256", crv={})),
        (_honest("ES256"), _keys("ES256", alg="HS256", kty="oct")),
        (_honest("RS256"), _keys("RS256", n="AA")),
        (_honest("RS256"), _keys("RS256", e="A" * 5000)),
        (_honest("RS256"), _keys("RS256", n=3)),
        (_honest("RS256"), _keys("RS256", d="AQAB", p="AQAB", q="AQAB", dp="AQAB", dq="AQAB", qi="AQAB")),
        (_honest("ES256"), {"keys": {}}),
        (_honest("ES256"), {"keys": [None]}),
        (_honest("ES256"), {"keys": 1}),
        (_honest("ES256"), {}),
    ],
)
def test_a_token_or_a_key_of_an_odd_type_ends_in_its_own_error(token: str, keys: dict[str, object]) -> None:
    with pytest.raises(TokenError):
        claims_of(token, keys, _OURS, NONCE)


@VIEWER
@settings(deadline=None)
@given(st.data())
def test_whatever_a_provider_sends_is_a_token_or_proves_nothing(data: st.DataObject) -> None:
    algorithm = data.draw(st.sampled_from(("ES256", "RS256")))
    of_key = data.draw(st.sampled_from((algorithm, algorithm, *_PUBLIC)))

    def odd(whole: dict[str, object], names: tuple[str, ...]) -> dict[str, object]:
        return whole | data.draw(st.dictionaries(st.sampled_from(names), _ODD, max_size=2))

    header: object = odd(_header(algorithm), _HEADER)
    claims: object = odd(_claims(), _CLAIMS)
    keys: object = [odd({**_PUBLIC[of_key], "kid": "k1"}, _KEY)]
    what = data.draw(st.sampled_from(("header", "claims", "keys", "", "", "")))
    strange = data.draw(st.one_of(_ODD, st.sampled_from(_RAW)))
    header, claims = strange if what == "header" else header, strange if what == "claims" else claims
    keys = data.draw(st.one_of(_ODD, st.lists(_ODD, max_size=2))) if what == "keys" else keys
    token = _token(header, claims, algorithm)
    cut = data.draw(st.integers(0, len(token)))
    piece = data.draw(st.sampled_from(("", "", "", ".", "é", "\ud800", "=")))
    _judge(token[:cut] + piece + token[cut:] if piece else token, {"keys": keys})
