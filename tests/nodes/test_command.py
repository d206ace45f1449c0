"""`provisioner node`: keys and the broker's folder as a person makes them, tried with the real broker."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from provisioner.cli.main import run as command
from provisioner.nodes.envelope import public_exchange_key
from tests.hostile import LOCAL_USER, MERGE_REQUEST
from tests.nodes.broker import server_program

EXAMPLE = Path(__file__).parents[2] / "inventories/example"


class Ended(NamedTuple):
    """How a command ended."""

    exit_code: int
    output: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with no environment but what is given."""

    def ended(*words: str | Path, **environment: str) -> Ended:
        code = command([str(word) for word in words], {"PROVISIONER_CONFIG": "", **environment})
        said = capsys.readouterr()
        return Ended(code, said.out + said.err)

    return ended


def test_a_key_is_made_once_and_its_line_goes_to_the_other_end(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "node.key"
    missing = run("node", "key", file)
    assert missing.exit_code == 2
    assert f"make one: provisioner node key {file} --make" in missing.output
    made = run("node", "key", file, "--make")
    assert made.exit_code == 0
    public_exchange_key(made.output)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in made.output
    assert run("node", "key", file).output == made.output
    assert run("node", "key", file, "--make").exit_code == 2
    assert json.loads(run("--output", "json", "node", "key", file).output)["key"] == made.output.strip()


@LOCAL_USER
def test_a_key_that_others_may_read_is_not_used(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "node.key"
    run("node", "key", file, "--make")
    file.chmod(0o640)
    refused = run("node", "key", file)
    assert refused.exit_code == 2
    assert f"{file} may be read by others" in refused.output
    assert f"chmod 600 {file}" in refused.output


def test_a_brokers_folder_is_what_the_broker_takes_and_what_is_there_stays(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    words = ("node", "broker", folder, "--place", "broker.example.com", "--place", "192.0.2.9", "--carrier", "vnpt")
    done = run(*words)
    assert done.exit_code == 0, done.output
    (folder / "nats-server.conf").write_text(
        (folder / "nats-server.conf").read_text().replace("/var/lib/nats/provisioner", str(tmp_path / "store"))
    )
    subprocess.run(
        [server_program(), "-c", folder / "nats-server.conf", "-t"], check=True, capture_output=True, timeout=30
    )
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        **dict.fromkeys(("ca.key", "broker.key", "controller.key", "node-vnpt.key", "nats-server.conf"), 0o600),
        **dict.fromkeys(("ca.pem", "broker.pem", "controller.pem", "node-vnpt.pem"), 0o644),
    }
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".conf"}
    again = run("--output", "json", *words, "--carrier", "viettel")
    assert json.loads(again.output)["written"] == ["node-viettel", "nats-server.conf"]
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert "CN=node-viettel" in (folder / "nats-server.conf").read_text()


def test_what_ends_soon_is_made_anew(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    words = ("node", "broker", folder, "--place", "broker.example.com", "--carrier", "vnpt")
    assert run(*words, "--valid-days", "20").exit_code == 0
    again = json.loads(run("--output", "json", *words).output)["written"]
    assert again == ["broker", "controller", "node-vnpt", "nats-server.conf"]


def test_a_folder_that_is_somebody_elses_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    refused = run("node", "broker", tmp_path, "--place", "broker.example.com", "--carrier", "vnpt")
    assert refused.exit_code == 2
    assert "holds other files, and no authority" in refused.output
    assert [file.name for file in tmp_path.iterdir()] == ["letter"]


def test_a_carrier_that_is_none_is_refused(run: Run, tmp_path: Path) -> None:
    refused = run("node", "broker", tmp_path / "b", "--place", "broker.example.com", "--carrier", "a.b")
    assert (refused.exit_code, (tmp_path / "b").exists()) == (2, False)


def test_a_node_whose_file_is_not_there_says_so(run: Run) -> None:
    refused = run("node", "run", "/nonexistent/node.toml")
    assert refused.exit_code == 2


def test_a_nodes_file_is_checked_without_dialling(run: Run, tmp_path: Path) -> None:
    line = run("node", "key", tmp_path / "node.key", "--make").output.strip()
    (tmp_path / "node.toml").write_text(
        f'broker = "nats://127.0.0.1:1"\nkey = "node.key"\ncarrier = "vnpt"\ncontrollers = ["{line}"]\n'
        'networks = ["10.0.0.0/24"]\nstate = "state"\n'
    )
    assert run("node", "run", tmp_path / "node.toml", "--check").output.strip() == line


@MERGE_REQUEST
@pytest.mark.parametrize("words", [("plan",), ("verify",)])
def test_a_file_of_nodes_that_the_checkout_has_is_refused(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    inventory = tmp_path / "inventory"
    subprocess.run(["cp", "-r", EXAMPLE, inventory], check=True, timeout=30)
    (inventory / "nodes.toml").write_text("broker = 1\n")
    person = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    for line in (("init", "-q"), ("add", "-A"), (*person, "commit", "-qm", "x")):
        subprocess.run(["git", "-C", inventory, *line], check=True, timeout=30)
    refused = run(
        "-i",
        inventory,
        *words,
        PROVISIONER_NODES=str(inventory / "nodes.toml"),
        PROVISIONER_STATE=str(tmp_path / "state"),
        ANSIBLE_VAULT_PASSWORD_FILE=str(EXAMPLE / ".vault-password"),
    )
    assert "nodes.toml is a part of the inventory's checkout" in refused.output
    assert refused.exit_code == 2
