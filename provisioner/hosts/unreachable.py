"""Why a host is unreachable, from ssh's and Ansible's output. Pure.

A person gets one cause in our words, with at most a short line of the original.
"""

import re
from dataclasses import dataclass
from typing import Final

from provisioner.base.text import msg, printable
from provisioner.hosts.call_target import CallTarget

_LONGEST_READ = 4_000
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A cause with the next step."""

    cause: str  #: Follows "could not be reached:".
    hint: str


_NETWORK = "check the address and the port in the inventory, and this machine's route to them"
_ANOTHER_KEY = Unreachable(
    "its SSH host key is another one than the inventory has",
    "if the host was installed anew, provisioner hosts scan-key writes the key that it shows, once it is compared at"
    " the host's console (ssh-keygen -lf on its .pub file); if it was not, somebody else answers at that address: find"
    " out who",
)
_ANOTHER_TYPE = Unreachable(
    "it shows an SSH host key of another type than the inventory has",
    "provisioner hosts scan-key writes the key that it shows, once it is compared at the host's console",
)
_NO_CERTIFICATE = Unreachable(
    "it shows no SSH certificate of the host_ca that the inventory has",
    "have its host key signed by that CA, and named by HostCertificate in its sshd_config; or write its key into"
    " ssh.host_key, after comparing it at the host's console",
)
_ANOTHER_NAME = Unreachable(
    "its SSH certificate is for another name than the inventory has",
    "see which names it has (ssh-keygen -Lf on its -cert.pub file): write one of them into ssh.principal, or have it"
    " signed for the host's id; if it is another host's, find out who answers at that address",
)
_NOT_NOW = Unreachable(
    "its SSH certificate is not valid now",
    "have its host key signed anew, and compare the clocks of this machine and of who signs",
)
_NOT_THE_KEY = Unreachable(
    "its SSH host key is not the one that the inventory has",
    "compare it at the host's console; provisioner hosts scan-key writes the key that the host shows",
)
_OF_KEYS = (_ANOTHER_KEY, _ANOTHER_TYPE, _ANOTHER_NAME, _NOT_NOW, _NO_CERTIFICATE)
_NO_METHOD = Unreachable(
    "its SSH server and this machine's client share no method",
    "bring the SSH server up to date, or allow it a key exchange, cipher and host key of today",
)
_TOO_MANY_KEYS = Unreachable(
    "it refused the login: too many keys were tried",
    "name the one key in PROVISIONER_SSH_KEY, so that the agent's others are not tried",
)
_KEY_FILE = Unreachable(
    "the SSH key of this machine cannot be used",
    "check the file that PROVISIONER_SSH_KEY names: it has to be there, a private key, and readable for you alone; or a"
    " public key whose private half the agent has (ssh-add -L)",
)
_DENIED = Unreachable(
    "it refused the login: no key of this machine is one of that user's",
    "check ssh.user in the inventory, that user's authorized_keys, and your key (agent or PROVISIONER_SSH_KEY)",
)
_REFUSED = Unreachable("its SSH port refuses the connection", msg("see that sshd runs there; {network}", _NETWORK))
_NO_SSH = Unreachable(
    "what answers there did not begin SSH: it ended the connection, or is no SSH server",
    "see whether sshd is overloaded (MaxStartups), a firewall or TCP wrapper cuts the connection, or another service"
    " has that port",
)
_NO_WAY = Unreachable("no network leads to it", _NETWORK)
_NO_ADDRESS = Unreachable(
    "its name leads to no address",
    "see what the resolver there says (getent ahosts NAME), or write an address in the place of the name",
)
_LATE = Unreachable(
    "it did not answer in time",
    msg("see whether it runs, and whether a firewall drops what comes from here; {network}", _NETWORK),
)
_ENDED = Unreachable(
    "it ended the connection",
    "see what its SSH server's log says; a full disk, no memory, or a reboot are the usual causes",
)
_FORBIDDEN = Unreachable(
    "it may not lead connections on",
    "allow it in the jump host's sshd_config: AllowTcpForwarding, and PermitOpen with the host's address and port",
)
_NO_CLIENT = Unreachable("this machine has no ssh client", "install OpenSSH's client here")

_CAUSES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (r"host identification has changed|offending \S+ key in|host key for \S+ has changed", _ANOTHER_KEY),
        (r"certificate\b invalid: name is not a listed principal", _ANOTHER_NAME),
        (r"certificate\b invalid: (expired|not yet valid)", _NOT_NOW),
        (r"certificate\b invalid: ", _NO_CERTIFICATE),
        (r"no \S+ host key is known|host key is not known", _ANOTHER_TYPE),
        (r"host key verification failed", _NOT_THE_KEY),
        (r"unable to negotiate|no matching (host key type|key exchange method|cipher|mac) found", _NO_METHOD),
        (r"too many authentication failures", _TOO_MANY_KEYS),
        (r"unprotected private key file|load key .*(bad permissions|invalid format|error in libcrypto)", _KEY_FILE),
        (r"identity file \S+ not accessible", _KEY_FILE),
        (r"permission denied \(|authentication failed|no more authentication methods", _DENIED),
        (r"connection refused", _REFUSED),
        (r"kex_exchange_identification|banner exchange|invalid ssh identification|exceeded maxstartups", _NO_SSH),
        (r"ssh_exchange_identification|protocol mismatch|bad remote protocol version", _NO_SSH),
        (r"no route to host|network is unreachable", _NO_WAY),
        (r"could not resolve hostname|name or service not known|in name resolution", _NO_ADDRESS),
        (r"timed out|timeout|no answer within", _LATE),
        (r"connection (reset|closed|aborted)|broken pipe|closed by remote host|client_loop: send disconnect", _ENDED),
        (r"no such file or directory: ?b?'?ssh'?|ssh: command not found|to use the 'ssh' connection type", _NO_CLIENT),
    )
)
_ELSE = "check the address, the host key in the inventory, and your SSH key (agent or PROVISIONER_SSH_KEY)"
_WRAPPED = re.compile(
    r"^(data could not be sent to remote host .{1,80}? make sure this host can be reached over ssh:"
    r"|failed to connect to the host via ssh:)\s*",
    re.IGNORECASE,
)


# Messages of ssh: a connection through a jump host that ended before the host answered, and a failed last leg.
_NOTHING_CAME = re.compile(r"kex_exchange_identification|banner exchange", re.IGNORECASE)
_LAST_LEG = re.compile(r"channel \d+: open failed|stdio forwarding failed", re.IGNORECASE)
_AT_JUMP = re.compile(r"its jump host (\S+) cannot be used: (.*)")
_AFTER_JUMP = re.compile(r"its jump host (\S+) does not get to it: (.*)")


@dataclass(frozen=True, slots=True)
class SshRoute:
    """ssh's connection to a host."""

    jump: str = ""  #: `user@address:port`; empty without a jump host.
    signed: bool = False
    jump_signed: bool = False


DIRECT: Final = SshRoute()  #: Without a jump host, to a host with a known key.


def route_to(spec: CallTarget) -> SshRoute:
    """Return ssh's connection to a host."""
    jump = spec.jump
    jump_signed = jump is not None and jump.ssh.host_key is None
    return SshRoute(jump.ssh.login_at(jump.address) if jump else "", spec.ssh.host_key is None, jump_signed)


def unreachable_by(output: str, route: SshRoute = DIRECT) -> Unreachable:
    """Return the cause in ssh's or Ansible's output.

    The last line with a cause counts, since a server's banner may precede it with any text. If it only reports an ended
    connection or a wrong key, earlier lines say more. A cause in our own words stays the same.
    """
    if ours := _own_cause(output):
        return ours
    lines = _lines(output)
    return _over_jump(lines, route) if route.jump else _cause_without_jump(lines, signed=route.signed)


def _own_cause(output: str) -> Unreachable | None:
    if at := _AT_JUMP.fullmatch(output):
        return _at_jump(at[1], unreachable_by(at[2]))
    if after := _AFTER_JUMP.fullmatch(output):
        return _after_jump(after[1], unreachable_by(after[2]))
    return next((known for known in (*(known for _, known in _CAUSES), _FORBIDDEN) if output == known.cause), None)


def _cause_without_jump(lines: list[str], *, signed: bool) -> Unreachable:
    named = [cause for line in lines if (cause := _cause_in(line))]
    if not named:
        return Unreachable(printable(lines[-1], _LONGEST_SHOWN) if lines else "ssh gives no reason", _ELSE)
    if named[-1] is _NOT_THE_KEY:
        of_keys = next((cause for cause in named if cause in _OF_KEYS), _NOT_THE_KEY)
        return _NO_CERTIFICATE if signed and of_keys in (_ANOTHER_TYPE, _NOT_THE_KEY) else of_keys
    return named[-2] if named[-1] is _ENDED and named[-2:-1] == [_NO_SSH] else named[-1]


def _over_jump(lines: list[str], route: SshRoute) -> Unreachable:
    """Read output of two ssh processes: the jump host's, then the host's."""
    ends = [number for number, line in enumerate(lines) if _NOTHING_CAME.search(line)]
    if not ends:
        return _cause_without_jump(lines, signed=route.signed)
    before = lines[: ends[-1]]
    if leg := next((line for line in before if _LAST_LEG.search(line)), None):
        refused = _FORBIDDEN if "prohibited" in leg.lower() else _cause_in(leg) or _NO_WAY
        return _after_jump(route.jump, refused)
    if any(_cause_in(line) for line in before):
        return _at_jump(route.jump, _cause_without_jump(before, signed=route.jump_signed))
    return _after_jump(route.jump, _LATE if "timed out" in lines[ends[-1]].lower() else _NO_SSH)


def _at_jump(jump: str, why: Unreachable) -> Unreachable:
    return Unreachable(
        msg("its jump host {jump} cannot be used: {cause}", jump, why.cause),
        msg("this is about the jump host, not the host: {hint}", why.hint),
    )


def _after_jump(jump: str, why: Unreachable) -> Unreachable:
    return Unreachable(
        msg("its jump host {jump} does not get to it: {cause}", jump, why.cause),
        msg("look from the jump host: {hint}", why.hint),
    )


def _lines(output: str) -> list[str]:
    parts = re.split(r"[\r\n]+", output[-_LONGEST_READ:].strip())
    return [line for part in parts if (line := _WRAPPED.sub("", part.strip()))]


def _cause_in(line: str) -> Unreachable | None:
    return next((cause for pattern, cause in _CAUSES if pattern.search(line)), None)
