"""An OpenID provider of our own on loopback, which follows the published metadata, and can be told to lie."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

CLIENT, SECRET = "provisioner-pages", "canary-client-secret"


@dataclass
class DoubleProvider:
    """A provider."""

    issuer: str = ""  #: Its address, by which it names itself.
    groups: Any = "noc-engineers"  #: Of the person who signs in.
    #: Changes of what it says: `claims` of a token, `metadata`, `answer` of the token's address, `key` it signs with,
    #: `algorithm`, `status`, `metadata_status`, what it says of a `person`, the seconds it makes `wait`, whether it
    #: `drips` and never ends.
    lie: dict[str, Any] = field(default_factory=dict)
    #: What each code that it gave is worth: what was asked, and with which challenge.
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)  #: How often each address was asked.
    gives: tuple[str, ...] = ()  #: The further tokens that it gives: `refresh`, `access`.
    #: What each refresh token and each access token is worth; empty once it revoked all.
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    name: str = "k1"

    def metadata(self) -> dict[str, Any]:
        """What it publishes (OpenID Connect Discovery 1.0)."""
        addresses = {
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        if "access" in self.gives:
            addresses["userinfo_endpoint"] = f"{self.issuer}/person"
        published: dict[str, Any] = {"issuer": self.issuer, "response_types_supported": ["code"], **addresses}
        return published | dict(self.lie.get("metadata", {}))

    def keys(self) -> dict[str, Any]:
        """The keys that it publishes."""
        public = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": self.name, "use": "sig", "alg": "ES256"}]}

    def authorize(self, address: str) -> str:
        """A person says yes: where the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """What a code is worth, once, with its verifier and the client's secret."""
        if form.get("grant_type") == "refresh_token":
            return self._renewed(form, authorization)
        asked = self.codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or authorization != f"Basic {expected}" or challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return self._tokens(asked)

    def person(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """What an access token is worth."""
        if self.sessions.get(authorization.removeprefix("Bearer ")) is None:
            return 401, {"error": "invalid_token"}
        return self.lie.get("status", 200), {"sub": "u-1"} | self.lie.get("person", {})

    def _renewed(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """What a refresh token is worth, once."""
        asked = self.sessions.pop(form["refresh_token"], None)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {expected}":
            return 400, {"error": "invalid_grant"}
        return self._tokens({name: value for name, value in asked.items() if name != "nonce"})

    def _tokens(self, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "u-1", "aud": CLIENT, "iat": now, "exp": now + 300}
        claims |= {"provisioner_role": self.groups, "preferred_username": "nguyen.a"}
        claims |= {"nonce": asked["nonce"]} if "nonce" in asked else {}
        claims |= self.lie.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        algorithm = self.lie.get("algorithm", "ES256")
        headers = {"kid": self.lie.get("kid", self.name)}
        token = jwt.encode(claims, self.lie.get("key", self.key), algorithm=algorithm, headers=headers)
        further = {f"{kind}_token": f"{kind}-{secrets.token_hex(8)}" for kind in self.gives}
        self.sessions |= dict.fromkeys(further.values(), asked)
        answer = {"id_token": token, "token_type": "Bearer"} | further
        return self.lie.get("status", 200), answer | self.lie.get("answer", {})

    def settings(self, redirect: str = "https://pages.example.com/sign-in/back") -> str:
        """The file of settings of a server that trusts it."""
        return (
            f'issuer = "{self.issuer}"\nclient_id = "{CLIENT}"\nclient_secret_file = "secret"\n'
            f'redirect = "{redirect}"\n[roles]\n"noc-engineers" = "noc"\n"bac-giang" = "dic:bac-giang"\n'
            '"vnpt" = "carrier:vnpt"\n"counts" = "steering"\n'
        )


@contextmanager
def provider() -> Iterator[DoubleProvider]:
    """A provider that answers on a free port of loopback, until the block ends."""
    double = DoubleProvider()

    class Answers(BaseHTTPRequestHandler):
        """What it answers."""

        def do_GET(self) -> None:
            """Metadata, keys, what a person is, or the yes of a person who is asked in a browser."""
            if self.path.startswith("/authorize?"):
                self.send_response(302)
                self.send_header("Location", double.authorize(self.path))
                self.end_headers()
                return
            pages = {"/.well-known/openid-configuration": double.metadata, "/keys": double.keys}
            double.asked[self.path] = double.asked.get(self.path, 0) + 1
            time.sleep(double.lie.get("wait", 0))
            if self.path == "/person":
                self._say(*double.person(self.headers.get("Authorization", "")))
            else:
                self._say(double.lie.get("metadata_status", 200), pages[self.path]())

        def do_POST(self) -> None:
            """A token."""
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*double.token(form, self.headers.get("Authorization", "")))

        def _say(self, status: int, answer: object) -> None:
            content = double.lie.get("content", json.dumps(answer).encode())
            self.send_response(status)
            with suppress(OSError):
                while double.lie.get("drips"):
                    self.wfile.write(b"X" * 8)
                    time.sleep(0.05)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(double.lie.get("length", len(content))))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    double.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
