"""The lab's inventory as a scratch repository, and the real commands run on it, as a NOC engineer would."""

import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from provisioner.base.errors import ProvisionerError
from provisioner.base.vault import encrypt
from provisioner.cli.support.context import today
from provisioner.desired.limit import Limit
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import Applied, RunOptions
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome
from tests import inventories

from .direct import DirectRunner
from .engine import Engine
from .errors import LabError
from .lab import Lab
from .patience import stretched
from .topology import CENTRE, GATEWAYS, JUMP, RELAYS, Network, Relay

_SOURCE: Final = Path(__file__).parents[2] / "inventories/lab"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
#: Of a command: the relays and the centre have not been managed before.
NEW_HOSTS: Final = ("--allow", f"trust={len(RELAYS) + 1}")
_GIT: Final = ("-c", "user.name=Lab", "-c", "user.email=lab@example.com")


def patient(seconds: float) -> tuple[str, str]:
    """Words of a command: so long its path gate waits for pictures on a quiet machine."""
    return "--gate-patience", f"{stretched(seconds):.0f}"


class Deployment:
    """A filled-in copy of `inventories/lab`, under Git, with its own vault password, in the lab's private folder.

    Attributes:
        transcript: what all commands printed.
        variables: what a test sets otherwise in the commands' environment.
    """

    def __init__(self, lab: Lab, engine: Engine) -> None:
        """Take a lab and the engine whose program is to be deployed; use `prepare` first."""
        self.lab = lab
        self.engine = engine
        self.root = lab.directory / "inventory"
        self.password_file = lab.directory / "vault-password"
        self.state = lab.directory / "state"
        self.runtime = lab.directory / "runtime"
        self.transcript: list[str] = []
        self.variables: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands: what a pipeline would set."""
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TERM", "NO_COLOR"}}
        return kept | {
            "PROVISIONER_CONFIG": "",
            "PROVISIONER_ARTEFACTS": f"{self.engine.path.resolve().parent}:{self.lab.directory}",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.password_file),
            "PROVISIONER_INVENTORY": str(self.root),
            "PROVISIONER_SSH_KEY": str(self.lab.ssh_key),
            "PROVISIONER_STATE": str(self.state),
            "XDG_RUNTIME_DIR": str(self.runtime),
            **self.variables,
        }

    # --- the scratch repository -------------------------------------------------------------------
    def prepare(self) -> None:
        """Copy the inventory, fill in addresses and keys, encrypt the cameras' logins, and commit."""
        shutil.copytree(_SOURCE, self.root)
        self.runtime.mkdir(mode=0o700)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        self._fill_hosts()
        self._fill_artefact()
        self.write_logins()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("the lab's inventory")

    def _fill_hosts(self) -> None:
        networks = f"[{self.lab.subnet(Network.MGMT)}]"
        for relay in RELAYS:
            path = self.root / f"carriers/{relay.carrier}.yml"
            self._fill_host(path, relay.name)
            endpoint = self.lab.address(relay.name, Network.WAN)
            self.substitute(path, r"(endpoint: )\S+", rf"\g<1>{endpoint}")
            self.substitute(path, r"(management_networks: )\[.*\]", rf"\g<1>{networks}")
        self._fill_host(self.root / f"centres/{CENTRE.name}.yml", CENTRE.name)
        path, behind = self.root / f"carriers/{JUMP.carrier}.yml", r"(?s)(\njump:.*?"
        self.substitute(path, behind + r"address: )\S+", rf"\g<1>{self.lab.address(JUMP.name, Network.MGMT)}")
        self.substitute(path, behind + r"host_key: )[^\n]*", rf"\g<1>{self.lab.host_key(JUMP.name)}")

    def note_new_hardware(self, relay: Relay) -> None:
        """Write a replaced relay's address and SSH host key into its carrier's file."""
        self._fill_host(self.root / f"carriers/{relay.carrier}.yml", relay.name)

    def note_new_centre(self) -> None:
        """Write a replaced centre's address and SSH host key into its file, and let it make a key of its own."""
        self._fill_host(self.root / f"centres/{CENTRE.name}.yml", CENTRE.name)
        lock = self.root / "allocations.lock.yml"
        self.substitute(lock, rf"(?s)(\n  {CENTRE.name}:\n[^\n]*\n) +public_key: [^\n]*\n", r"\g<1>")
        self.run("keys", "init", "--allow", "trust=1")

    def _fill_host(self, path: Path, host: str) -> None:
        self.substitute(path, r"(\baddress: )\S+", rf"\g<1>{self.lab.address(host, Network.MGMT)}")
        self.substitute(path, r"(host_key: ).*", rf"\g<1>{self.lab.host_key(host)}")

    def _fill_artefact(self) -> None:
        path = self.root / "inventory.yml"
        self.substitute(path, r"(source: ).*", rf"\g<1>file:{self.engine.path.resolve()}")
        self.substitute(path, r'amd64: ".*"', f'{_ARCHITECTURES[platform.machine()]}: "{self.engine.sha256}"')

    def write_logins(self) -> None:
        """Write every device's present login into secrets/."""
        by_province: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
        for gateway in GATEWAYS:
            logins = by_province.setdefault(gateway.province, {}).setdefault(gateway.facility, {})
            for device in gateway.devices:
                logins[device.id] = {
                    "username": device.user,
                    "password": self.lab.camera(f"{gateway.facility}/{device.cameras[0].id}").password,
                }
        for province, facilities in by_province.items():
            self.write_secret(f"cameras/{province}.yml", facilities)

    def write_secret(self, name: str, document: Mapping[str, Any]) -> None:
        """Write an encrypted file below secrets/; JSON is YAML."""
        path = self.root / "secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        password = self.password_file.read_text(encoding="ascii").strip().encode()
        text = json.dumps(document, ensure_ascii=False, indent=2).encode()
        path.write_text(encrypt(text, password, "secrets"), encoding="ascii")

    def substitute(self, path: Path, pattern: str, replacement: str) -> None:
        """Edit a file as a person would, in one place.

        Raises:
            LabError: the place is not there.
        """
        text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
        if not count:
            raise LabError(f"{path}: nothing to replace for {pattern}")
        path.write_text(text, encoding="utf-8")

    def git(self, *words: str) -> str:
        """Run git in the scratch repository."""
        done = subprocess.run(
            ["git", *_GIT, "-C", str(self.root), *words],
            check=True,
            capture_output=True,
            text=True,
            timeout=stretched(30),
        )
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def facility_file(self, facility: str) -> Path:
        """A facility's file."""
        return next(self.root.glob(f"facilities/*/{facility}.yml"))

    def edit_facility(self, facility: str, before: str, after: str) -> None:
        """Edit a facility's file, and let DIC, Health and the carrier agree to it."""
        path = self.facility_file(facility)
        self.substitute(path, before, after)
        inventories.sign_file(path)

    # --- the commands -----------------------------------------------------------------------------
    def run(
        self, *words: str, check: bool = True, timeout: float = 240, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `provisioner` with these words, and this on its standard input.

        Raises:
            LabError: it ended with another code than 0, and `check` is set.
        """
        done = subprocess.run(
            [str(Path(sys.executable).with_name("provisioner")), *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=stretched(timeout),
            check=False,
        )
        self.transcript.append(done.stdout + done.stderr)
        if check and done.returncode != 0:
            raise LabError(f"provisioner {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def document(self, *words: str, codes: tuple[int, ...] = (0,), timeout: float = 240) -> dict[str, Any]:
        """Run a command for its JSON document.

        Raises:
            LabError: it ended with a code that is not expected.
        """
        done = self.run("--output", "json", *words, check=False, timeout=timeout)
        if done.returncode not in codes:
            raise LabError(f"provisioner {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def restore(self) -> None:
        """Bring all hosts to what the inventory says, past SSH and Ansible, which other tests are about.

        Where that does not do it is done as an engineer would do it.

        Raises:
            LabError: that does not do, either.
        """
        session = self.direct_session()
        planned = _planned(session)
        if quarantined := frozenset(one.path for one in planned.plan.quarantined):
            planned = _planned(session, quarantined)
        if not planned.unreadable and not planned.plan.pending:
            return
        # Who needs a picture waits for it.
        if not _applied(session, planned, GateRules(settle_s=0)):
            self.document("apply", "--yes", *NEW_HOSTS)
            self.lift_quarantine()

    def direct_session(self) -> Session:
        """A session of the inventory as it is now, whose calls go to hosts past SSH and Ansible."""
        session = Session(self.root, self.environment, today())
        vars(session)["runner"] = DirectRunner(self.lab, session.templates)
        return session

    def apply_directly(self, gate: GateRules, *, meanwhile: Callable[[], None] = lambda: None) -> Applied:
        """Apply the inventory as it is now, past SSH and Ansible, with a path gate of these rules.

        `meanwhile` is done between the plan and the apply.
        """
        session = self.direct_session()
        planned = _planned(session)
        meanwhile()
        return apply_plan(session, planned, options=_with(gate))

    def lift_quarantine(self) -> None:
        """Have every camera that refused its password asked again."""
        if names := [one["path"] for one in self.document("quarantine", "list")["quarantined"]]:
            self.document("quarantine", "lift", *names, "--yes")

    def install_sites(self) -> None:
        """Do the technicians' part: install each site package on its gateway, note the key that it prints."""
        folder = self.lab.directory / f"sites-{secrets.token_hex(3)}"
        self.run("site-package", "--out", str(folder))
        for gateway in GATEWAYS:
            self.note_key(gateway.facility, self.lab.install_site_package(gateway.name, folder / gateway.facility))
        shutil.rmtree(folder)

    def note_key(self, facility: str, key: str) -> None:
        """Note a gateway's public key in its facility's file, past the command, which takes a second each time."""
        path = self.facility_file(facility)
        if "public_key:" in path.read_text(encoding="utf-8").replace("# public_key", ""):
            self.substitute(path, r"( +public_key: ).*", rf'\g<1>"{key}"')
        else:
            self.substitute(path, r"(\n +)(lan: )", rf'\g<1>public_key: "{key}"\g<1>\g<2>')

    def deploy(self) -> dict[str, Any]:
        """Do the whole way to running relays; give the document of apply."""
        self.run("allocate")
        self.run("keys", "init", *NEW_HOSTS)
        self.install_sites()
        self.commit("addresses, keys and gateways")
        self.run("validate")
        return self.document("apply", "--yes", *NEW_HOSTS)


def _planned(session: Session, lifted: frozenset[str] = frozenset()) -> Planned:
    return make_plan(session, Limit(), allow={"trust": len(RELAYS) + 1}, lift=lifted)


def _with(gate: GateRules) -> RunOptions:
    return RunOptions(RolloutOptions(gate=gate))


def _applied(session: Session, planned: Planned, gate: GateRules) -> bool:
    """Apply a plan; false where it is refused, or not all of its hosts are as it says afterwards."""
    try:
        applied = apply_plan(session, planned, options=_with(gate))
    except ProvisionerError:
        return False
    done = all(result.outcome is HostOutcome.APPLIED for result in applied.results)
    return done and not planned.unreadable and not applied.remaining
