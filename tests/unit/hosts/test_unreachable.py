"""Why a host could not be reached: one cause and one hint, whatever ssh and the server print around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.ansible.play import answer_of
from provisioner.hosts.runner import CallOutcome, HostAnswer, unanswered
from provisioner.hosts.unreachable import SshRoute, unreachable_by
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
    "refused": (f"ssh: connect to host {_AT}: Connection refused", "refuses"),
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


# What OpenSSH 9.2 says over `ProxyJump`: the ssh to the jump host first, then the one that waits for what is behind it.
JUMP = "noc@203.0.113.29:22"
OVER = SshRoute(JUMP)
NOTHING_CAME = """
kex_exchange_identification: Connection closed by remote host
Connection closed by UNKNOWN port 65535"""
LEG = "channel 0: open failed: {}\nstdio forwarding failed" + NOTHING_CAME
OVER_JUMP = {
    "the jump host refuses": ("ssh: connect to host 203.0.113.29 port 22: Connection refused", "its SSH port refuses"),
    "no way to the jump host": ("ssh: connect to host 203.0.113.29 port 22: No route to host", "no network"),
    "the jump host is silent": ("ssh: connect to host 203.0.113.29 port 22: Connection timed out", "it did"),
    "the jump host's key is another": (CHANGED.replace("203.0.113.31", "jump.0"), "its SSH host key is an"),
    "the jump host's key is of another type": (UNKNOWN_TYPE, "it shows an SSH host key of another type"),
    "the jump host refuses the login": ("noc@203.0.113.29: Permission denied (publickey).", "it refused"),
    "the jump host is overloaded": (CLOSED_AT_ONCE, "what answers there did not begin SSH"),
}
LAST_LEG = {
    "connect failed: Connection refused": "its SSH port refuses the connection",
    "connect failed: No route to host": "no network leads to it",
    "connect failed: Connection timed out": "it did not answer in time",
    "administratively prohibited: open failed": "it may not lead connections on",
}
AT_THE_HOST = ["changed", "type", "verification", "denied", "too many", "methods"]


@pytest.mark.parametrize("banner", ["", BANNER])
@pytest.mark.parametrize("case", OVER_JUMP)
def test_what_stops_at_the_jump_host_is_said_of_the_jump_host(case: str, banner: str) -> None:
    said, words = OVER_JUMP[case]
    why = unreachable_by(f"{banner}{said}{NOTHING_CAME}", OVER)
    assert why.cause.startswith(f"its jump host {JUMP} cannot be used: {words}")
    assert why.hint.startswith("this is about the jump host")
    assert unreachable_by(why.cause) == why


@pytest.mark.parametrize("reason", LAST_LEG)
def test_what_stops_behind_the_jump_host_is_said_of_the_last_leg(reason: str) -> None:
    why = unreachable_by(LEG.format(reason), OVER)
    assert why.cause == f"its jump host {JUMP} does not get to it: {why.cause.partition('to it: ')[2]}"
    assert LAST_LEG[reason] in why.cause
    assert unreachable_by(why.cause) == why


def test_a_host_that_says_nothing_over_its_jump_host_is_not_called_the_jump_hosts_fault() -> None:
    silent = "Connection timed out during banner exchange\nConnection to UNKNOWN port 65535 timed out"
    assert unreachable_by(silent, OVER).cause == f"its jump host {JUMP} does not get to it: it did not answer in time"
    closed = unreachable_by(NOTHING_CAME, OVER).cause
    assert closed.startswith(f"its jump host {JUMP} does not get to it: what answers there did not begin SSH")


@pytest.mark.parametrize("case", AT_THE_HOST)
def test_what_the_host_itself_says_is_its_own_over_a_jump_host_too(case: str) -> None:
    said, words = SAID[case]
    why = unreachable_by(said, OVER)
    assert words in why.cause
    assert "jump host" not in why.cause
    assert why == unreachable_by(said)


def test_the_error_of_a_host_behind_a_jump_host_names_both_and_whose_fault_it_is() -> None:
    error = f"Failed to connect to the host via ssh: {OVER_JUMP['the jump host refuses'][0]}{NOTHING_CAME}"
    answer = answer_of("relay-1", {"ok": False, "kind": "unreachable", "error": error}, OVER)
    spec = relay_spec()
    assert unanswered(spec, answer).message == (
        f"{spec.id} ({spec.address}:{spec.ssh.port}) could not be reached: its jump host {JUMP} cannot be used: its"
        " SSH port refuses the connection"
    )


CERTIFICATES = {
    "Certificate invalid: name is not a listed principal\n": "for another name",
    "Certificate invalid: expired\n": "not valid now",
    "Certificate invalid: not yet valid\n": "not valid now",
    "Certificate invalid: not a host certificate\n": "no SSH certificate of the host_ca",
    "": "no SSH certificate of the host_ca",  # of another CA, or the bare key
}


@pytest.mark.parametrize("said", CERTIFICATES)
def test_what_is_wrong_with_a_certificate_is_said_of_whose_it_is(said: str) -> None:
    refused = said + UNKNOWN_TYPE
    assert CERTIFICATES[said] in unreachable_by(refused, SshRoute(signed=True)).cause
    assert CERTIFICATES[said] in unreachable_by(refused, SshRoute(JUMP, signed=True)).cause
    at_jump = unreachable_by(refused + NOTHING_CAME, SshRoute(JUMP, jump_signed=True)).cause
    assert at_jump.startswith(f"its jump host {JUMP} cannot be used: it")
    assert CERTIFICATES[said] in at_jump


@given(st.text(), st.sampled_from([SshRoute(), OVER, SshRoute(JUMP, signed=True, jump_signed=True)]))
def test_whatever_is_said_becomes_one_short_printable_line(said: str, way: SshRoute) -> None:
    why = unreachable_by(said, way)
    assert why.cause.isprintable()
    assert 0 < len(why.cause) <= 230
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
    assert "this machine's route to them" in unanswered(relay_spec(), said).hint
