"""The files of a controller and of a node, where a mistake is said with what to write, and which way a call goes."""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from provisioner.base.errors import HostError, UsageError
from provisioner.hosts.runner import HostAnswer, HostCall
from provisioner.nodes.controller import RoutedRunner
from provisioner.nodes.envelope import ExchangeKey
from provisioner.nodes.settings import read_controller_settings, read_node_settings
from tests.nodes.carrying import CountingHosts, call_of, host_of
from tests.signatures import public_line

LINE: Final = ExchangeKey(b"1" * 32).public.line
OTHER: Final = ExchangeKey(b"2" * 32).public.line
DIALS: Final = (
    'broker = "tls://broker.example.com:4222"\nca = "ca.pem"\ncertificate = "c.pem"\ncertificate_key = "/k"\n'
)
NODE: Final = (
    f'{DIALS}key = "node.key"\ncarrier = "vnpt"\ncontrollers = ["{LINE}"]\n'
    'networks = ["10.0.0.0/24", "2001:db8::/64"]\n'
    'state = "state"\n'
)
APPROVALS: Final = """[approvals]
inventory = "example"
approvers = ["noc-1 FIRST", "noc-2 SECOND a comment"]
"""
CONTROLLER: Final = f'{DIALS}key = "own.key"\n[nodes]\nvnpt = "{LINE}"\n'


def with_keys(text: str) -> str:
    """Settings with keys of two people."""
    return text.replace("FIRST", public_line("noc-1")).replace("SECOND", public_line("noc-2"))


def test_a_nodes_file_says_what_it_carries_and_names_files_beside_itself() -> None:
    settings = read_node_settings(
        f'{NODE}ssh_key = "ssh"\nnames = ["relay.example.com"]\nchanges = false\nscripts = true\n', "/etc/n/node.toml"
    )
    assert (settings.key, settings.state, settings.ssh_key) == (
        Path("/etc/n/node.key"),
        Path("/etc/n/state"),
        Path("/etc/n/ssh"),
    )
    assert (settings.broker.ca, settings.broker.certificate_key) == (Path("/etc/n/ca.pem"), Path("/k"))
    assert settings.rules.networks == (ip_network("10.0.0.0/24"), ip_network("2001:db8::/64"))
    assert sorted(settings.rules.names) == ["relay.example.com"]
    assert (settings.rules.changes, settings.rules.scripts) == (False, True)
    assert [one.line for one in settings.controllers] == [LINE]


def test_what_a_nodes_file_leaves_out_allows_changes_and_no_scripts() -> None:
    rules = read_node_settings(NODE, "node.toml").rules
    assert (rules.carrier, rules.changes, rules.scripts, rules.names) == ("vnpt", True, False, frozenset())
    assert (rules.mediamtx, rules.recovery, rules.approved) == (frozenset(), "", False)


def test_a_nodes_file_names_what_may_be_installed_and_sealed() -> None:
    named = f'{NODE}mediamtx = ["{"0" * 64}"]\nrecovery = "{"a" * 43}="\n{APPROVALS}new_hosts = ["relay-vnpt-9"]\n'
    settings = read_node_settings(with_keys(named), "node.toml")
    rules, approvals = settings.rules, settings.approvals
    assert (rules.mediamtx, rules.recovery, rules.approved) == (frozenset({"0" * 64}), "a" * 43 + "=", True)
    assert approvals is not None
    assert approvals.new_hosts == frozenset({"relay-vnpt-9"})


def test_a_nodes_file_says_whose_approvals_it_asks_for() -> None:
    assert read_node_settings(NODE, "node.toml").approvals is None
    asked = read_node_settings(with_keys(f"{NODE}{APPROVALS}"), "node.toml").approvals
    assert asked is not None
    assert (asked.inventory, asked.people, asked.valid_hours) == ("example", 1, 168)
    assert [(one.id, one.key.kind) for one in asked.approvers] == [("noc-1", "ssh-ed25519"), ("noc-2", "ssh-ed25519")]
    more = read_node_settings(with_keys(f"{NODE}{APPROVALS}people = 2\nvalid_hours = 24\n"), "node.toml").approvals
    assert more is not None
    assert (more.people, more.valid_hours) == (2, 24)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('inventory = "example"\n', "", "node.toml: [approvals] is not as it should be"),
        ("approvers =", "approver =", "node.toml: [approvals] is not as it should be"),
        ("[approvals]\n", "approvals = 7\n", "node.toml: "),
        ('"example"', '"../x"', "node.toml: approvals.inventory is no inventory's id"),
        ("noc-2 ", "", "node.toml: ssh-ed25519 AAAA"),
        ("SECOND", "ssh-ed25519 AAAA", "node.toml: noc-2 ssh-ed25519 AAAA a comment is no approver"),
        ("SECOND", "FIRST", "node.toml: approvals.approvers has one key twice"),
        ("approvers = [", "people = 3\napprovers = [", "node.toml: approvals.people is 3, of 2 approvers"),
        ("approvers = [", "people = true\napprovers = [", "node.toml: approvals.people is no such number"),
        ("approvers = [", "valid_hours = 0\napprovers = [", "node.toml: approvals.valid_hours is no such number"),
        ("approvers = [", 'new_hosts = ["../x"]\napprovers = [', "node.toml: ../x is no host's id"),
        ("[approvals]", 'mediamtx = ["1.20.1"]\n[approvals]', "node.toml: 1.20.1 is no SHA-256"),
        ("[approvals]", 'recovery = "none"\n[approvals]', "node.toml: recovery is no recovery key"),
    ],
)
def test_approvals_with_a_mistake_are_refused_with_the_place(before: str, after: str, message: str) -> None:
    assert before in APPROVALS
    with pytest.raises(UsageError) as refused:
        read_node_settings(with_keys(NODE + APPROVALS.replace(before, after)), "node.toml")
    assert refused.value.message.startswith(message)
    assert refused.value.hint


def test_a_controllers_file_says_which_carriers_have_a_node() -> None:
    settings = read_controller_settings(CONTROLLER, "/etc/p/nodes.toml")
    assert {carrier: node.line for carrier, node in settings.nodes.items()} == {"vnpt": LINE}
    assert settings.key == Path("/etc/p/own.key")


def test_a_broker_on_this_machine_may_be_reached_without_encryption() -> None:
    text = CONTROLLER.replace(DIALS, 'broker = "nats://127.0.0.1:4222"\n')
    assert read_controller_settings(text, "nodes.toml").broker.ca is None


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("carrier = ", "carriers = ", "node.toml: carriers is no setting"),
        ('carrier = "vnpt"\n', "", "node.toml: carrier is missing"),
        ('carrier = "vnpt"', 'carrier = "../x"', "node.toml: carrier is no carrier's id"),
        ("tls://", "nats://", "node.toml: broker is reached without encryption"),
        ("tls://broker.example.com:4222", "https://broker.example.com", "node.toml: broker is no address of a broker"),
        (":4222", ":70000", "node.toml: broker is no address of a broker"),
        ('ca = "ca.pem"\n', "", "node.toml: ca is missing"),
        ('certificate = "c.pem"\n', "", "node.toml: certificate is missing"),
        (LINE, LINE[:-4], "node.toml: controllers is no public exchange key"),
        (f'["{LINE}"]', "[]", "node.toml: controllers names none"),
        (f'["{LINE}"]', "7", "node.toml: controllers is no list of texts"),
        ("10.0.0.0/24", "10.0.0.1/24", "node.toml: 10.0.0.1/24 is no network"),
        ('state = "state"', "state = 7", "node.toml: state is no file's name"),
        ('state = "state"', 'state = "s"\nchanges = "yes"', "node.toml: changes is neither true nor false"),
        ('state = "state"', 'state = "s"\nnames = ["a b"]', "node.toml: a b is no host name"),
        ("broker =", "broker", "node.toml: "),
    ],
)
def test_a_nodes_file_with_a_mistake_is_refused_with_the_place(before: str, after: str, message: str) -> None:
    assert before in NODE
    with pytest.raises(UsageError) as refused:
        read_node_settings(NODE.replace(before, after), "node.toml")
    assert refused.value.message.startswith(message)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (f'[nodes]\nvnpt = "{LINE}"\n', "nodes = 7\n", "nodes.toml: nodes names no node"),
        (f'vnpt = "{LINE}"\n', "", "nodes.toml: nodes names no node"),
        ("vnpt =", '"a.b" =', "nodes.toml: nodes.a.b is no carrier's id"),
        (LINE, "7", "nodes.toml: nodes.vnpt is no public exchange key"),
        (
            f'vnpt = "{LINE}"\n',
            f'vnpt = "{LINE}"\nviettel = "{LINE}"\n',
            "nodes.toml: two carriers have one node's key",
        ),
        (f'vnpt = "{LINE}"\n', f'vnpt = "{OTHER}"\nvnpt = "{LINE}"\n', "nodes.toml: "),
    ],
)
def test_a_controllers_file_with_a_mistake_is_refused_with_the_place(before: str, after: str, message: str) -> None:
    assert before in CONTROLLER
    with pytest.raises(UsageError) as refused:
        read_controller_settings(CONTROLLER.replace(before, after), "nodes.toml")
    assert refused.value.message.startswith(message)
    assert refused.value.hint


def test_a_host_goes_by_the_node_of_the_one_carrier_that_it_serves() -> None:
    local, remote = CountingHosts(), CountingHosts()
    runner = RoutedRunner(local, remote, {"vnpt"})
    calls = [
        call_of(host_of(1, ("vnpt",))),
        call_of(host_of(2, ("viettel",))),
        call_of(host_of(3, ("vnpt", "viettel"))),
        call_of(host_of(4, ())),
        call_of(host_of(5, ("vnpt",))),
    ]
    answers = runner.call(calls, timeout_s=5)
    assert len(answers) == 5
    assert {name for name, _ in remote.done} == {"relay-1", "relay-5"}
    assert {name for name, _ in local.done} == {"relay-2", "relay-3", "relay-4"}
    runner.close()
    assert (local.closed, remote.closed) == (1, 1)


class BrokenHosts(CountingHosts):
    """Calls that cannot even be begun."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Fail."""
        raise HostError(f"Ansible did not work for {len(calls)} call in {timeout_s} s")


def test_one_way_that_does_not_work_hides_no_answer_of_the_other() -> None:
    remote = CountingHosts(takes_s=0.2)
    runner = RoutedRunner(BrokenHosts(), remote, {"vnpt"})
    came: list[HostAnswer] = []
    with pytest.raises(HostError, match="Ansible did not work"):
        came.extend(runner.stream([call_of(host_of(1)), call_of(host_of(2, ("viettel",)))], timeout_s=5))
    assert [name for name, _ in remote.done] == ["relay-1"]
