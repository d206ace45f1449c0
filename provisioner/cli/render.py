"""`provisioner render` and `provisioner site-package`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click

from provisioner.base.document import Day, HeldRow, Printed
from provisioner.base.text import counted, msg
from provisioner.cli.support.completion import facilities_like
from provisioner.cli.support.context import Invocation, print_document, print_warning, today
from provisioner.cli.support.options import hosts_limit_option
from provisioner.cli.support.session import session_of, write_tree
from provisioner.cli.support.terminal import ValidPath
from provisioner.cli.support.texts import code_with_frozen, print_frozen
from provisioner.desired.limit import parse_limits
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.render.site import MOST_DAYS, USUAL_DAYS, SitePackage, valid_for
from provisioner.inventory.model.facility import GatewaySystem
from provisioner.operations.pipeline.stages import rendered_files, site_packages
from provisioner.operations.questions.packages import NOT_RECORDED_HINT, record_handed

_MOST_PACKAGES = 5


class RenderDocument(Printed, name="render", title="Rendered files"):
    """Output of `provisioner render --output json`."""

    files: tuple[Path, ...]
    left_out: dict[str, str]  #: By host without files, the reason.
    held: tuple[HeldRow, ...]


class SitePackageDocument(Printed, name="site-package", title="Site packages"):
    """Output of `provisioner site-package --output json`."""

    packages: dict[str, Path]  #: By facility, the folder.
    valid_until: dict[str, Day | None]
    takes_down: tuple[str, ...]
    shut: dict[str, tuple[str, ...]]  #: By facility without a package, the files of secrets that were not opened.
    held: tuple[HeldRow, ...]


@click.command()
@click.option("--out", "folder", type=ValidPath(), required=True, metavar="DIR", help="A new or empty folder.")
@hosts_limit_option
def render(invocation: Invocation, folder: Path, limits: tuple[str, ...]) -> int:
    """Write the config files of each host into a folder.

    The command contacts no host. The files of relays have camera passwords: they get mode 0600 in a folder of mode
    0700. Keep them out of every repository.

    Example: provisioner -i DIR render --out /run/user/1000/rendered
    """
    invocation.refuse_tracked_links(folder)
    invocation.refuse_inside(folder)
    session = session_of(invocation)
    limit = parse_limits(limits)
    written = write_tree(folder, _by_folder(rendered_files(session, limit)))
    frozen = session.frozen_by(limit)
    left_out = {host.id: host.reason for host in session.state.left_out.values()}
    if invocation.json:
        print_document(RenderDocument(files=written, left_out=left_out, held=frozen).plain)
    else:
        for reason in left_out.values():
            print_warning(reason, msg("set a password for its vault id to render it as well"))
        click.echo(f"wrote {counted(len(written), 'file')} below {folder}; those of relays hold secrets")
        print_frozen(frozen, consequence="not in these files; hosts keep their state")
    return code_with_frozen(0, frozen)


@click.command("site-package")
@click.argument("facilities", nargs=-1, metavar="[FACILITY]…", shell_complete=facilities_like)
@click.option("--out", "folder", type=ValidPath(), required=True, metavar="DIR", help="A new or empty folder.")
@click.option(
    "--valid-days",
    type=click.IntRange(1, MOST_DAYS),
    default=USUAL_DAYS,
    metavar="N",
    help=f"The days in which the package may be installed, at most {MOST_DAYS}. Default: {USUAL_DAYS}.",
)
def site_package(invocation: Invocation, facilities: tuple[str, ...], folder: Path, valid_days: int) -> int:
    """Write the install package of a site's gateway.

    There is one folder a facility, for the gateway's system (gateway.system: linux, routeros or openwrt), with
    install.sh or site.rsc. Run it as root on the gateway: it starts the tunnel and the port map, and prints the public
    key for gateway.public_key in the facility's file. For any other router that reads a WireGuard file (gateway.system:
    wireguard) the package has wg-prov.conf; set the rest by hand. setup.html and setup.pdf are the technician's sheet
    in English and Vietnamese: the steps, and the expected results of the tests on site. The package has the site's
    pre-shared key: hand it over by a channel that you trust, and delete it.

    A package is valid for --valid-days. Later it refuses to install if the gateway's clock is right: make a new
    package. A package that takes a gateway down never expires.

    The history records the relays in the package and the day on which it was handed out, and no secret; status lists
    sites with an older package. After the installation: gateway installed FACILITY.

    The package of a closed facility takes its gateway down: it stops and removes the tunnel, the port map and the keys.
    Name the facility to get it. A site without a tunnel (access: routed) gets the sheet only, for the staff of the
    carrier's network and the site's router.

    Example: provisioner -i DIR site-package kcl-bg-001 --out /run/user/1000/sites
    """
    invocation.refuse_tracked_links(folder)
    invocation.refuse_inside(folder)
    session = session_of(invocation)
    packages = site_packages(session, facilities, valid_for(today(), valid_days))
    write_tree(folder, _by_folder({facility: package.files for facility, package in packages.files.items()}))
    failure = record_handed(session, packages)
    if failure:
        print_warning(failure, NOT_RECORDED_HINT)
    if invocation.json:
        files = packages.files
        of_sites = {
            "packages": {facility: folder / facility for facility in files},
            "valid_until": {facility: package.until for facility, package in files.items()},
            "takes_down": [facility for facility, package in files.items() if package.takes_down],
        }
        print_document(SitePackageDocument.made_of(packages, **of_sites).plain)
        return code_with_frozen(0, packages.held)
    for facility, shut_files in packages.shut.items():
        message = msg("{facility} has no package: {files} stayed shut", facility, ", ".join(shut_files))
        print_warning(message, msg("set a password for its vault id in ANSIBLE_VAULT_IDENTITY_LIST"))
    for facility, package in packages.files.items():
        click.echo(f"wrote {folder / facility}: {_what_to_do(facility, package)}")
    installed = [facility for facility, package in packages.files.items() if not package.is_sheet]
    if installed and not failure:
        click.echo(f"once installed: provisioner gateway installed {' '.join(installed[:_MOST_PACKAGES])}")
    print_frozen(packages.held, consequence="no package is made")
    return code_with_frozen(0, packages.held)


def _by_folder(files: Mapping[str, Iterable[RenderedFile]]) -> Iterator[RenderedFile]:
    for name, own_files in files.items():
        for file in own_files:
            yield replace(file, path=f"/{name}/{file.path.lstrip('/')}")


def _what_to_do(facility: str, package: SitePackage) -> str:
    if package.is_sheet:
        return f"a sheet for whoever runs the carrier's network and the router of {facility}; nothing is installed"
    as_root = "" if package.system is GatewaySystem.WIREGUARD else ", as root"
    run = f"{package.installed_by} on the gateway of {facility}{as_root}"
    if not package.takes_down:
        return f"{run}, until {package.until}"
    why = "the site is reached without a tunnel now" if package.until else "the facility is closed"
    return f"{run}; it takes the gateway down, since {why}"
