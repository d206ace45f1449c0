"""Secrets stay where they belong: every output, every temporary place and every process list is searched."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from provisioner.base.vault import VaultPasswords
from provisioner.inventory.loader.secrets import read_secrets

from .deployment import Deployment
from .topology import MANAGED_HOSTS

pytestmark = pytest.mark.lab
_SEARCH = """
umask 077
cat > /dev/shm/patterns
grep -rlFf /dev/shm/patterns /etc /var /run /tmp /usr/local /home /root 2>/dev/null
rm /dev/shm/patterns
"""
# Where a secret has to be on a host: root only, or MediaMTX's own file. The generations are what a rollback returns to.
_HOMES = ("/etc/provisioner/", "/var/lib/provisioner/last-good/", "/var/lib/provisioner/generations/")


def canaries(deployment: Deployment) -> dict[str, str]:
    """Every secret of the deployment by what it is, as it is and as URLs have it."""
    passwords = VaultPasswords.from_environment(deployment.environment)
    secrets = read_secrets(deployment.root, passwords).secrets
    assert secrets.digest_key
    found = {"digest key": secrets.digest_key.reveal()}
    for facility, devices in secrets.cameras.items():
        for device, login in devices.items():
            found[f"password of {facility}/{device}"] = login.password.reveal()
            found[f"password of {facility}/{device} in URLs"] = quote(login.password.reveal(), safe="")
    for carrier, kept in secrets.carriers.items():
        found |= {f"reader secret {carrier}/{c}": s.reveal() for c, s in kept.readers.items()}
        found |= {f"password of viewer {carrier}/{v}": s.reveal() for v, s in kept.viewers.items()}
        found |= {f"certificate key of {r}": s.reveal() for r, s in kept.certificate_keys.items()}
        found |= {f"PSK of {site}": s.reveal() for site, s in kept.site_psks.items()}
        found |= {f"PSK of {r}/{c}": s.reveal() for r, of in kept.centre_psks.items() for c, s in of.items()}
    for host in MANAGED_HOSTS:
        for name in deployment.lab.exec(host, ["ls", "/etc/provisioner/keys"]).stdout.split():
            content = deployment.lab.exec(host, ["cat", f"/etc/provisioner/keys/{name}"]).stdout
            found[f"{name} of {host}"] = content.strip()
    return found


@contextmanager
def watched_processes(seen: set[str]) -> Iterator[None]:
    """Collect every command line and environment on this machine, containers included, while something runs."""
    over = threading.Event()

    def watch() -> None:
        looks: dict[Path, int] = {}
        while not over.wait(0.02):
            # What a process is started with changes while it starts, and later hardly ever.
            looks = {one: looks.get(one, 0) + 1 for one in Path("/proc").iterdir() if one.name.isdigit()}
            for process in [one for one, times in looks.items() if times < 50 or not times % 50]:
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((process / name).read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                    except OSError:
                        continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def found_in(text: str, secrets: dict[str, str]) -> set[str]:
    return {what for what, secret in secrets.items() if secret in text}


def files_below(folders: list[Path]) -> Iterator[str]:
    for folder in folders:
        for path in folder.rglob("*") if folder.exists() else []:
            if path.is_file() and path.stat().st_size < 5_000_000:
                yield path.read_text(encoding="utf-8", errors="replace")


def test_no_secret_is_in_an_output_a_temporary_file_a_log_or_a_process_list(deployment: Deployment) -> None:
    secrets = canaries(deployment)
    deployment.lab.exec("relay-vnpt-1", ["sh", "-c", "echo '#' >> /etc/provisioner/mediamtx.yml"])
    processes: set[str] = set()
    with watched_processes(processes):
        saved = deployment.lab.directory / "canary-plan.json"
        deployment.run("plan", "--all", "--out", str(saved))
        deployment.run("apply", "--yes")
        page = deployment.lab.directory / "canary.html"
        deployment.run("verify", "--once", "--details", "--html", str(page), check=False)
        deployment.run("keys", "init")
        deployment.run("render", "--out", str(deployment.lab.directory / "none"), "--limit", "host=none", check=False)
    assert found_in("\n".join(processes), secrets) == set()
    outputs = [*deployment.transcript, saved.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")]
    outputs += files_below([deployment.state])
    assert found_in("\n".join(outputs), secrets) == set()
    assert list(deployment.runtime.iterdir()) == []
    committed = subprocess.run(
        ["git", "-C", str(deployment.root), "log", "--all", "--patch"], check=True, capture_output=True
    ).stdout.decode(errors="replace")
    assert found_in(committed, secrets) == set()


def test_on_a_host_secrets_lie_in_root_only_files_and_nowhere_else(deployment: Deployment) -> None:
    secrets = canaries(deployment)
    for host in MANAGED_HOSTS:
        journal = deployment.lab.exec(host, ["journalctl", "--no-pager", "-o", "cat"]).stdout
        assert found_in(journal, secrets) == set(), host
        # The patterns go over standard input: on a command line they would be found.
        patterns = "\n".join(secrets.values())
        listed = deployment.lab.exec(host, ["sh", "-c", _SEARCH], stdin=patterns, check=False).stdout.split()
        assert [path for path in listed if not path.startswith(_HOMES)] == [], host
        rights = deployment.lab.exec(host, ["find", *_HOMES, "-type", "f", "-perm", "/o=r"]).stdout.split()
        assert not set(rights) & set(listed), host
        closed = ("/etc/provisioner", "/etc/provisioner/keys", "/var/lib/provisioner/generations")
        folders = deployment.lab.exec(host, ["stat", "-c", "%a %U:%G", *closed]).stdout
        assert folders.split("\n")[:3] == ["750 root:mediamtx", "700 root:root", "700 root:root"]
