"""Which packages sites' gateways carry, as text and as a document. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from provisioner.base.clock import local_iso
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator
from provisioner.lifecycle.site_packages import PackageStanding, PackageState
from provisioner.report.names import some_of

_MOST: Final = 5


def package_lines(standings: Iterable[PackageStanding], say: Translator = ENGLISH) -> Iterator[str]:
    """What is to be seen to: packages that are older than the inventory first, then those that nobody knows of."""
    listed = list(standings)
    yield from older_lines(listed, say)
    waiting = [one.facility for one in listed if one.state is PackageState.HANDED_OUT]
    if waiting:
        yield say(
            "{sites}: a package was handed out that is not known to be installed: {names}; once it is: {command}",
            sites=say.counted(len(waiting), "site"),
            names=some_of(waiting, say),
            command=f"provisioner gateway installed {' '.join(waiting[:_MOST])}",
        )
    over = [one.facility for one in listed if one.state is PackageState.EXPIRED]
    if over:
        yield say(
            "{sites}: the package that was handed out expired, and is not known to be installed: {names}; the next one"
            " is: {command}",
            sites=say.counted(len(over), "site"),
            names=some_of(over, say),
            command=f"provisioner site-package {' '.join(over[:_MOST])} --out DIR",
        )
    unknown = [one.facility for one in listed if one.state is PackageState.NOT_RECORDED]
    if unknown:
        yield say(
            "{sites}: which package is installed there is not recorded: {names}; the next one is: {command}",
            sites=say.counted(len(unknown), "site"),
            names=some_of(unknown, say),
            command=f"provisioner site-package {' '.join(unknown[:_MOST])} --out DIR",
        )


def older_lines(standings: Iterable[PackageStanding], say: Translator = ENGLISH) -> Iterator[str]:
    """The sites whose last package is not what is desired now, by the relays that it names and should not."""
    older: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in standings:
        if one.state is PackageState.OLDER:
            older[one.former].append(one.facility)
    for former, names in sorted(older.items()):
        values = {
            "sites": say.counted(len(names), "site"),
            "names": some_of(names, say),
            "command": f"provisioner site-package {' '.join(names[:_MOST])} --out DIR",
        }
        if former:
            yield say(
                "{sites} may carry a package that names {relays} as it is not any more: {names}; next: {command}",
                relays=", ".join(former),
                **values,
            )
        else:
            yield say(
                "{sites} may carry a package that is older than the inventory: {names}; next: {command}", **values
            )


def packages_document(standings: Iterable[PackageStanding]) -> list[Document]:
    """Each site with what is known of its package."""
    return [
        {
            "facility": one.facility,
            "standing": one.state.value,
            "former": list(one.former),
            "wanted": list(one.wanted),
            "handed_out": _handed(one),
            "installed_at": local_iso(one.installed.at) if one.installed else None,
            "command": one.command or None,
        }
        for one in standings
    ]


def _handed(one: PackageStanding) -> Document | None:
    if one.handed is None:
        return None
    return {
        "at": local_iso(one.handed.shown.at),
        "run": one.handed.shown.run,
        "by": one.handed.by,
        "relays": [named.relay for named in one.handed.relays],
        "takes_down": one.handed.takes_down,
        "valid_until": one.handed.until.isoformat() if one.handed.until else None,
    }
