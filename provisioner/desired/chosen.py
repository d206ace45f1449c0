"""The hosts that a limit takes, and what is refused where it takes none. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.base.errors import InventoryError, SecretsError, UsageError
from provisioner.desired.limit import Limit
from provisioner.desired.spec import DesiredState, HostKind, HostSpec, LeftOutHost


def chosen_hosts(state: DesiredState, limit: Limit) -> tuple[HostSpec, ...]:
    """The hosts that a limit takes, without those that are left out.

    Raises:
        UsageError: it takes none.
        SecretsError: it takes only hosts whose secrets stayed shut, or there is no limit and there are such.
        InventoryError: it takes nothing but facilities that are held.
    """
    refuse_shut(state, limit)
    chosen = tuple(host for host in state.hosts.values() if limit.takes_host(host))
    if not chosen:
        refuse_all_shut(state, limit)
        refuse_held(state, limit)
        raise UsageError("--limit selects nothing", hint=f"hosts are: {', '.join(state.hosts)}")
    return chosen


def shut_by(state: DesiredState, limit: Limit) -> tuple[LeftOutHost, ...]:
    """The hosts that a limit takes and that are left out.

    A centre that also reads from carriers which the limit does not name is not what it asks for.
    """
    return tuple(host for host in state.left_out.values() if _takes_left_out(limit, host))


def _takes_left_out(limit: Limit, host: LeftOutHost) -> bool:
    carriers = limit.wanted.get("carrier")
    if carriers is not None and not carriers.issuperset(host.carriers):
        return False
    if not limit.takes({"host": (host.id,)}):
        return False
    return not limit.by_site or any(limit.takes_left_out_path(host, path) for path in host.paths)


def refuse_shut(state: DesiredState, limit: Limit) -> None:
    """Refuse to speak of everything where something stayed shut.

    Raises:
        SecretsError: there is no limit, and hosts are left out.
    """
    if not limit.wanted and state.left_out:
        raise _closed(state, tuple(state.left_out.values()))


def refuse_all_shut(state: DesiredState, limit: Limit) -> None:
    """Say that what a limit takes is shut, before it is said to take nothing.

    Raises:
        SecretsError: it takes hosts that are left out.
    """
    if shut := shut_by(state, limit):
        raise _closed(state, shut)


def refuse_held(state: DesiredState, limit: Limit) -> None:
    """Say that what a limit takes is held, before it is said to take nothing.

    Raises:
        InventoryError: it takes facilities that are held.
    """
    held = [one for one in state.held.values() if limit.wanted and limit.takes_held(one, state.hosts)]
    if held:
        named = ", ".join(one.id for one in held)
        problems = tuple(sorted({problem for one in held for problem in one.problems}))
        message = f"--limit selects nothing but what is held: {named}; what hosts have of it stays as it is"
        raise InventoryError(message, problems=problems, hint="correct the places listed", object=held[0].id)


def _closed(state: DesiredState, shut: Sequence[LeftOutHost]) -> SecretsError:
    files = sorted({file for host in shut for file in host.shut})
    named = ", ".join(host.id for host in shut)
    closed = {carrier for host in state.left_out.values() if host.kind is HostKind.RELAY for carrier in host.carriers}
    opened = {carrier for host in state.hosts.values() if host.kind is HostKind.RELAY for carrier in host.carriers}
    limits = " or ".join(f"--limit carrier={carrier}" for carrier in sorted(opened - closed))
    hint = "set a password for its vault id in ANSIBLE_VAULT_IDENTITY_LIST"
    return SecretsError(
        f"{', '.join(files)} stayed shut, and {named} cannot be worked on without",
        hint=f"{hint}, or leave it out: {limits}" if limits else hint,
        object=shut[0].id,
    )
