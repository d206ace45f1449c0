"""`provisioner serve`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

import click

from provisioner.base.text import counted
from provisioner.cli.support.context import Invocation, now
from provisioner.cli.support.terminal import AccessText, PageAddress, ValidPath
from provisioner.operations.questions.overview import overview
from provisioner.operations.questions.work import read_changes, read_work
from provisioner.web import server
from provisioner.web.app import ServedPages
from provisioner.web.readers import HeaderIdentification, LocalIdentification, read_trusted_networks
from provisioner.web.sign_in import open_sign_in
from provisioner.web.source import Feed, RecordedSource, Source

_PORT = 8300


class PageOptions(TypedDict):
    """The options of a server of pages."""

    host: str
    port: int
    names: tuple[str, ...]
    trusted: tuple[str, ...]
    sign_in: Path | None
    certificate: Path | None
    key: Path | None
    dashboard: str | None


def page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a server of pages."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=_PORT,
        show_default=True,
        help="The port to listen on; 0 takes a free one.",
    ),
    click.option(
        "--name", "names", multiple=True, metavar="HOST", help="A host name that readers use, e.g. the proxy's."
    ),
    click.option(
        "--trust", "trusted", multiple=True, metavar="ADDRESS", help="A proxy that names the reader in a header."
    ),
    click.option("--sign-in", type=ValidPath(), metavar="FILE", help="Require a sign-in (OpenID Connect)."),
    click.option("--certificate", type=ValidPath(), metavar="FILE", help="The TLS certificate with its chain."),
    click.option("--key", type=ValidPath(), metavar="FILE", help="The certificate's private key."),
    click.option(
        "--dashboard-url", "dashboard", type=PageAddress(), help="The address of Grafana's dashboard, to link it."
    ),
)


@click.command()
@page_options
@click.option(
    "--contacts-for",
    "purpose",
    type=AccessText(),
    metavar="TEXT",
    help="Show contacts, and record each access with this purpose.",
)
def serve(invocation: Invocation, /, *, purpose: str | None, **options: Unpack[PageOptions]) -> None:
    """Serve the web pages: incidents, facilities, provinces.

    The server is read-only. It shows recorded runs, loads each run once, and updates open pages. On loopback every
    reader is the engineer who started it. Elsewhere a trusted proxy names the reader (--trust), or readers sign in
    (--sign-in); the role decides the content. The server runs until you interrupt it.

    Example: provisioner -i DIR serve
    """
    source = RecordedSource(lambda: overview(invocation.inventory, invocation.env, now()), now, read_work, read_changes)
    serve_pages(invocation, source, purpose, **options)


def serve_pages(invocation: Invocation, source: Source, purpose: str | None, **options: Unpack[PageOptions]) -> None:
    """Serve a source's pages until a signal; or raise `UsageError`."""
    sign_in, certificate, key = options["sign_in"], options["certificate"], options["key"]
    trusted, names, dashboard = options["trusted"], options["names"], options["dashboard"]
    invocation.refuse_tracked_links(sign_in, certificate, key)
    networks = read_trusted_networks(trusted)
    place = server.ServerAddress(options["host"], options["port"], certificate, key, names, networks)
    server.refuse_open(place, trusts=bool(networks), signs_in=sign_in is not None)
    server.refuse_certificate(place)
    signing_in = None
    if sign_in is not None:
        signing_in = open_sign_in(sign_in)
        # A sign-in at loopback comes through a proxy.
        proxies = server.LOOPBACK if place.is_loopback else ()
        place = replace(place, names=(*names, signing_in.host), proxies=proxies)
    feed = Feed(source)
    feed.load()
    listener = server.listen(place)
    bound = listener.getsockname()[1]
    contacts = None
    if purpose is not None:
        from provisioner.cli.contacts.access import cards_for  # noqa: PLC0415 (only where personal data is wished)

        contacts = cards_for(invocation, purpose)
    served = ServedPages(
        feed=feed,
        door=signing_in or (HeaderIdentification(networks) if networks else LocalIdentification()),
        names=server.names_of(place, bound),
        clock=now,
        secure=place.is_secure or signing_in is not None,
        further=signing_in.routes if signing_in else (),
        leave="sign-out" if signing_in else "",
        contacts=contacts,
        dashboard=dashboard or "",
    )

    def ready() -> None:
        facilities = counted(len(feed.board.facilities), "facility")
        click.echo(f"serving {facilities} at {server.address_of(place, bound)} (read-only; end it with Ctrl-C)")

    server.make_server(served, place, listener, ready).run(sockets=[listener])
