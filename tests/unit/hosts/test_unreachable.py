"""Why a host could not be reached: one cause and one hint, whatever ssh and the server print around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.ansible.play import answer_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, unanswered
from provisioner.hosts.unreachable import unreachable_by
from tests.unit.verify.world import relay_spec

BANNER = """\
******************************************************************
*  Hệ thống của nhà mạng. AUTHORIZED USE ONLY.  Connection refused *
*  All activity is logged. Host key verification failed if you...  *
******************************************************************
"""
CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
The fingerprint for the ED25519 key sent by the remote host is
SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.
Add correct host key in /dev/shm/provisioner-x/known_hosts to get rid of this message.
Offending ED25519 key in /dev/shm/provisioner-x/known_hosts:1
Host key for 203.0.113.31 has changed and you have requested strict checking.
Host key verification failed."""
UNKNOWN_TYPE = """\
No ED25519 host key is known for 203.0.113.31 and you have requested strict checking.
Host key verification failed."""
_AT = "203.0.113.31 port 22"
TOO_MANY = """\
Received disconnect from 203.0.113.31 port 22:2: Too many authentication failures
Disconnected from 203.0.113.31 port 22"""
CLOSED_AT_ONCE = """\
kex_exchange_identification: Connection closed by remote host
Connection closed by 203.0.113.31 port 22"""
OTHER_SERVER = """\
kex_exchange_identification: banner line contains invalid characters
banner exchange: Connection to 203.0.113.31 port 22: invalid format"""
SAID = {
    "refused": (f"ssh: connect to host {_AT}: Connection refused", "refused"),
    "timeout": (f"ssh: connect to host {_AT}: Connection timed out", "in time"),
    "timeout elsewhere": (f"ssh: connect to host {_AT}: Operation timed out", "in time"),
    "ours": ("no answer within 40 s", "in time"),
    "route": (f"ssh: connect to host {_AT}: No route to host", "no network leads"),
    "network": (f"ssh: connect to host {_AT}: Network is unreachable", "no network leads"),
    "changed": (CHANGED, "another one than the inventory has"),
    "type": (UNKNOWN_TYPE, "of another type"),
    "verification": ("Host key verification failed.", "not the one that the inventory has"),
    "denied": ("deploy@203.0.113.31: Permission denied (publickey).", "refused the login: no key"),
    "denied by several": ("deploy@203.0.113.31: Permission denied (publickey,password).", "refused the login: no key"),
    "too many": (TOO_MANY, "too many keys"),
    "kex": (CLOSED_AT_ONCE, "did not begin SSH"),
    "kex reset": ("kex_exchange_identification: read: Connection reset by peer", "did not begin SSH"),
    "banner": ("Connection timed out during banner exchange", "did not begin SSH"),
    "no ssh": (OTHER_SERVER, "did not begin SSH"),
    "methods": (f"Unable to negotiate with {_AT}: no matching key exchange method found.", "share no method"),
    "reset": (f"Connection reset by {_AT}", "ended the connection"),
    "closed": (f"Connection closed by {_AT}", "ended the connection"),
    "alive": ("Timeout, server 203.0.113.31 not responding.", "in time"),
    "key file": ('Load key "/home/x/.ssh/id": bad permissions', "SSH key of this machine"),
}
WRAPPINGS = {
    "bare": "{}",
    "failed to connect": "Failed to connect to the host via ssh: {}",
    "data": 'Data could not be sent to remote host "203.0.113.31". Make sure this host can be reached over ssh: {}',
    "warning": "Warning: Permanently added '203.0.113.31' (ED25519) to the list of known hosts.\n{}",
    "banner": BANNER + "{}",
    "windows": "{}\r\n",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("case", SAID)
def test_each_cause_is_told_from_what_is_printed_around_it(case: str, wrapping: str) -> None:
    said, words = SAID[case]
    why = unreachable_by(WRAPPINGS[wrapping].format(said))
    assert words in why.cause
    assert "AUTHORIZED" not in why.cause
    assert why.hint


@given(st.text(max_size=400), st.sampled_from(sorted(SAID)))
def test_a_banner_may_say_anything(banner: str, case: str) -> None:
    said, words = SAID[case]
    if case not in {"changed", "type", "verification", "closed", "reset"}:  # the lines before say more of these
        assert words in unreachable_by(f"{banner}\n{said}").cause


@given(st.text())
def test_whatever_is_said_becomes_one_short_printable_line(said: str) -> None:
    why = unreachable_by(said)
    assert why.cause.isprintable()
    assert 0 < len(why.cause) <= 130
    assert unreachable_by(why.cause).hint == why.hint


def test_the_error_of_a_host_names_it_the_cause_and_what_to_do() -> None:
    answer = answer_of("relay-1", {"ok": False, "kind": "unreachable", "error": BANNER + SAID["denied"][0]})
    assert answer == HostAnswer("relay-1", CallOutcome.UNREACHABLE, error=answer.error, hint=answer.hint)
    spec = relay_spec()
    error = unanswered(spec, answer)
    assert error.message == (
        f"{spec.id} ({spec.address}:{spec.ssh.port}) could not be reached: it refused the login: no key of this machine"
        " is one of that user's"
    )
    assert "PROVISIONER_SSH_KEY" in error.hint


def test_what_a_simulated_host_says_has_the_hint_of_its_cause_too() -> None:
    said = HostAnswer("relay-1", CallOutcome.UNREACHABLE, error="ssh: no route to host")
    assert "has a way to them" in unanswered(relay_spec(), said).hint
