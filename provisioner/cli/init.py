"""`provisioner init`: a new inventory."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import click

from provisioner.base.document import Known, Printed, of
from provisioner.base.errors import InventoryError, PolicyError, UsageError
from provisioner.base.text import Document, did_you_mean, endpoint_text, is_host_name, msg, printable
from provisioner.cli.support.configuration import file_of
from provisioner.cli.support.context import Invocation, answer, is_attended, print_document, said, today
from provisioner.cli.support.options import split_host_and_port
from provisioner.cli.support.terminal import DAY, ListedWord, ValidPath
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.operations.edit import init as new_inventory

_SHOWN = 80


@click.command("init")
@click.argument("folder", metavar="DIR", required=False, type=ValidPath(file_okay=False))
@click.option("--answers", type=ValidPath(), metavar="FILE", help="Read the answers from a YAML file.")
@click.option("--print-answers", "prints", is_flag=True, help="Print an example of such a file, and exit.")
@click.option(
    "--id",
    "identifier",
    default="",
    metavar="ID",
    help="The inventory's id, which never changes. Default: the folder's name.",
)
@click.option("--carrier", "carriers", multiple=True, metavar="ID[=NAME]", help="A carrier, e.g. viettel=Viettel.")
@click.option("--province", "provinces", multiple=True, metavar="SLUG[=CARRIER]", help="A province and its carriers.")
@click.option(
    "--scheme",
    type=ListedWord([s.value for s in ProvinceScheme]),
    default="gso-2025",
    show_default=True,
    help="The list of provinces that the inventory uses.",
)
@click.option("--source", default="", metavar="TEXT", help="The document that designates the carriers.")
@click.option("--since", type=DAY, help="The first day of the designation. Default: today.")
@click.option(
    "--management", "networks", multiple=True, metavar="NETWORK", help="A network from which SSH to the hosts comes."
)
@click.option("--centre", default="", metavar="ID@ADDRESS[:PORT]", help="The monitoring centre.")
@click.option("--centre-name", default="", metavar="TEXT", help="The centre's name.")
@click.option("--relay", "relays", multiple=True, metavar="[CARRIER/]ID@ADDRESS[:PORT]", help="A relay of a carrier.")
@click.option(
    "--endpoint", "endpoints", multiple=True, metavar="RELAY=ADDRESS", help="A relay's public address for WireGuard."
)
@click.option(
    "--jump", "jumps", multiple=True, metavar="CARRIER=USER@ADDRESS[:PORT]", help="The jump host of a carrier's relays."
)
@click.option("--user", default="", metavar="NAME", help="The login on the hosts: a normal user with sudo.")
@click.option("--host-key", "known", multiple=True, metavar="HOST=KEY", help="A host's key, or its SHA256 fingerprint.")
@click.option(
    "--mediamtx-version", "version", default=new_inventory.RELEASE, show_default=True, help="The version of MediaMTX."
)
@click.option(
    "--mediamtx-source",
    "artefact",
    default="release",
    show_default=True,
    metavar="SOURCE",
    help="The source of MediaMTX: release, an https:// address, or file: and a path.",
)
@click.option("--mediamtx-sha256", "sums", multiple=True, metavar="ARCH=SUM", help="The checksum of the download.")
@click.option(
    "--vault-password", type=ValidPath(dir_okay=False), metavar="FILE", help="The file of the vault's password."
)
@click.pass_context
def init(
    ctx: click.Context,
    invocation: Invocation,
    /,
    folder: Path | None,
    *,
    answers: Path | None,
    prints: bool,
    vault_password: Path | None,
    **words: object,
) -> int:
    """Create an inventory: files with comments, vault password, Git repository.

    In a terminal the command asks for missing values and shows each host's SSH key for you to compare, as the carrier's
    node sees it if there is one. Elsewhere give the keys with --host-key, as keys or fingerprints. --answers reads the
    answers from a file, by the names of the options. DIR is new or empty. The password is outside DIR, in a file that
    only you can read. Keep a copy in a safe: without the password the vault stays closed.

    Example: provisioner init inventory --carrier viettel=Viettel --province bac-ninh
    """
    if prints:
        click.echo(new_inventory.EXAMPLE, nl=False)
        return 0
    if folder is None:
        raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0])
    read = new_inventory.read_answers(answers, sorted(_answerable(ctx))) if answers else {}
    for name, value in _converted_answers(ctx, read).items():
        if name == "vault_password":
            vault_password = Path(str(value))
        else:
            words[name] = value
    try:
        return _create_inventory(invocation, folder, vault_password, words)
    except (InventoryError, PolicyError, UsageError) as error:
        _raise_with_position(error, read)
        raise


def _answerable(ctx: click.Context) -> dict[str, click.Option]:
    options = (param for param in ctx.command.params if isinstance(param, click.Option) and param.expose_value)
    return {param.opts[0].lstrip("-"): param for param in options if param.name not in {"answers", "prints", "help"}}


def _converted_answers(ctx: click.Context, answers: Mapping[str, new_inventory.OptionAnswer]) -> dict[str, object]:
    """Return the file's values of options not given, or raise `UsageError`."""
    converted: dict[str, object] = {}
    for key, param in _answerable(ctx).items():
        answer_ = answers.get(key)
        source = ctx.get_parameter_source(param.name or "")
        if answer_ is None or source is not click.core.ParameterSource.DEFAULT:
            continue
        if not param.multiple and len(answer_.values) != 1:
            raise UsageError(f"{answer_.places[-1] if answer_.places else key}: {key} is one text", hint="name one")
        try:
            converted[param.name or ""] = param.type_cast_value(
                ctx, answer_.values if param.multiple else answer_.values[0]
            )
        except click.BadParameter as error:
            raise UsageError(f"{answer_.places[0]}: {key}: {error.message}", hint="see --print-answers") from None
    return converted


def _raise_with_position(
    error: InventoryError | PolicyError | UsageError, answers: Mapping[str, new_inventory.OptionAnswer]
) -> None:
    """Raise the error again with its answer's position, if known."""
    if isinstance(error, InventoryError) and error.problems:
        placed = [(new_inventory.position_in_answers(answers, problem.message), problem) for problem in error.problems]
        problems = tuple(
            replace(problem, message=f"{place}: {problem.message}") if place else problem for place, problem in placed
        )
        raise InventoryError(error.message, problems=problems, hint=error.hint, object=error.object) from None
    if place := new_inventory.position_in_answers(answers, error.message):
        raise type(error)(f"{place}: {error.message}", hint=error.hint, object=error.object) from None


def _create_inventory(invocation: Invocation, folder: Path, vault_password: Path | None, options: Document) -> int:
    root = folder.absolute()
    beginning = _Questions(invocation, root).beginning(root.name, options)
    configuration = file_of(invocation.configuration.caller)
    home = configuration.parent if configuration else root.parent
    password = (vault_password or home / "vault" / beginning.id).absolute()
    if password.is_relative_to(root):
        raise UsageError(f"{password} is inside the inventory", hint="keep the vault's password outside of it")
    created = new_inventory.begin(beginning, new_inventory.NewPlaces(root, password, configuration), today())
    hosts = [beginning.centre.id, *(relay.id for relay in beginning.relays)]
    if invocation.json:
        print_document(InitDocument.made_of(created, hosts=len(hosts)).plain)
        return 0
    home_of = invocation.env.get("HOME", "")
    for line in _ending_lines(created, folder, hosts):
        click.echo(line.replace(f"{root}/", f"{folder}/").replace(f"{home_of}/.", "~/.") if home_of else line)
    return 0


class _Questions:
    def __init__(self, invocation: Invocation, root: Path) -> None:
        self._invocation, self._askers = invocation, new_inventory.KeyAskers(invocation.env, root)

    def beginning(self, name: str, options: Document) -> new_inventory.Beginning:
        carriers = dict(self._named(options["carriers"], "--carrier", "The first carrier's id, e.g. viettel"))
        first = next(iter(carriers))
        provinces = dict(self._named(options["provinces"], "--province", "The first province's slug, e.g. bac-giang"))
        host_keys = dict(_split_pairs(options["known"], "--host-key"))
        jump_texts = dict(_split_pairs(options["jumps"], "--jump"))
        endpoints = dict(_split_pairs(options["endpoints"], "--endpoint"))
        user = options["user"] or self._answer("--user", "Who logs in on the hosts (a normal user with sudo)", "deploy")
        centre = options["centre"] or self._answer("--centre", "The monitoring centre: ID@ADDRESS")
        relays = options["relays"] or (self._answer("--relay", f"The first relay of {first}: ID@ADDRESS"),)
        _refuse_relays(relays, first, jump_texts, endpoints, host_keys)
        _refuse_host_keys(host_keys, (centre, *relays), jump_texts.values())
        jumps = {carrier: self._jump(carrier, text, host_keys) for carrier, text in jump_texts.items()}
        networks = options["networks"] or (
            self._answer("--management", "From where SSH to the hosts comes: a network"),
        )
        return new_inventory.Beginning(
            id=options["identifier"] or name,
            scheme=options["scheme"],
            carriers={carrier: label or carrier for carrier, label in carriers.items()},
            provinces={province: carrier or first for province, carrier in provinces.items()},
            source=options["source"] or self._answer("--source", "The document that designates the carriers"),
            since=options["since"].date() if options["since"] else today(),
            management_networks=networks,
            centre=self._host_from(centre, user, host_keys, tuple(carriers)),
            centre_name=options["centre_name"] or centre.partition("@")[0],
            relays=[
                replace(relay, endpoint=endpoints.get(relay.id, ""))
                for relay in (self._relay_from(text, user, host_keys, first) for text in relays)
            ],
            jumps=jumps,
            version=options["version"],
            artefact=options["artefact"],
            sha256=dict(_split_pairs(options["sums"], "--mediamtx-sha256")) or dict(new_inventory.RELEASE_SHA256),
        )

    def _named(self, texts: Iterable[str], option: str, question: str) -> list[tuple[str, str]]:
        listed = list(texts) or [self._answer(option, question)]
        return [(text.partition("=")[0], text.partition("=")[2]) for text in listed]

    def _jump(self, carrier: str, text: str, host_keys: Mapping[str, str]) -> new_inventory.FirstHost:
        user, _, place = text.rpartition("@")
        address, _ = split_host_and_port(place)
        return self._host_from(f"{address}@{place}", user, host_keys, (carrier,))

    def _relay_from(self, text: str, user: str, host_keys: Mapping[str, str], first: str) -> new_inventory.FirstHost:
        carrier, slash, rest = text.partition("/")
        relay = self._host_from(rest if slash else text, user, host_keys, (carrier if slash else first,), is_relay=True)
        if is_host_name(relay.address.lower()):
            message = f"relay {relay.id}: centres send WireGuard to an address, and {relay.address} is a name"
            hint = "write its address; the name can stand in carriers/*.yml later, with endpoint_address beside it"
            raise UsageError(message, hint=hint)
        return relay

    def _host_from(
        self, text: str, user: str, host_keys: Mapping[str, str], carriers: tuple[str, ...], *, is_relay: bool = False
    ) -> new_inventory.FirstHost:
        name, at, place = text.partition("@")
        address, digits = split_host_and_port(place)
        port = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not at or not name or not address or not port:
            raise UsageError(
                f"{printable(text, _SHOWN)} is no host",
                hint="write ID@ADDRESS, or ID@ADDRESS:PORT; of IPv6 ID@[ADDRESS]:PORT",
            )
        host = new_inventory.FirstHost(name, address, user, port, "", carriers[0] if is_relay else "")
        return replace(host, host_key=self._key(host, carriers, host_keys.get(name, "")))

    def _key(self, host: new_inventory.FirstHost, carriers: tuple[str, ...], named_key: str) -> str:
        """Return a host's named key, or its shown key once compared."""
        if named_key and not named_key.startswith("SHA256:"):
            return named_key
        name, address, port = host.id, host.address, host.port
        scanned = self._askers.scanned_key(host, carriers)
        if named_key:
            if named_key != scanned.fingerprint:
                message = f"{name} ({address}) shows another key than the one that was named: {scanned.fingerprint}"
                raise PolicyError(message, hint="ask whoever looks after it; nothing is made", object=name)
            return scanned.host_key
        if not is_attended(self._invocation):
            hint = (
                f"compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_*.pub), and add --host-key {name}=SHA256:…"
            )
            raise UsageError(f"nobody is here to compare the key of {name}: {scanned.fingerprint}", hint=hint)
        click.echo(
            f"{name} ({endpoint_text(address, port)}) shows {scanned.host_key.split()[0]} {scanned.fingerprint}",
            err=True,
        )
        if not click.confirm(said("Is that its own? On the host: ssh-keygen -lf /etc/ssh/ssh_host_*.pub"), err=True):
            raise click.Abort
        return scanned.host_key

    def _answer(self, option: str, question: str, default: str | None = None) -> str:
        return answer(self._invocation, option, question, subject="a new inventory", default=default)


def _refuse_relays(
    relays: Iterable[str], first: str, jumps: Collection[str], endpoints: Collection[str], host_keys: Mapping[str, str]
) -> None:
    """Refuse an unknown relay, and unknown keys behind jump hosts."""
    places = {_host_id(text): text.rpartition("/")[0] or first for text in relays}
    for name in sorted(set(endpoints) - places.keys()):
        hint = did_you_mean(name, places, "see --relay")
        raise UsageError(f"--endpoint names {printable(name, _SHOWN)}, which is no relay here", hint=hint)
    for name, carrier in places.items():
        if carrier in jumps and host_keys.get(name, "SHA256:").startswith("SHA256:"):
            hint = f"read it there (ssh_host_ed25519_key.pub), and add --host-key {name}='ssh-ed25519 …'"
            raise UsageError(f"relay {name} is behind a jump host: its whole host key is needed", hint=hint)


def _refuse_host_keys(host_keys: Iterable[str], hosts: Iterable[str], jumps: Iterable[str]) -> None:
    """Refuse a host key of an unknown host."""
    known = [*map(_host_id, hosts), *(split_host_and_port(text.rpartition("@")[2])[0] for text in jumps)]
    for name in sorted(set(host_keys) - set(known)):
        hint = did_you_mean(name, known, msg("hosts here are: {hosts}", printable(", ".join(known), _SHOWN)))
        raise UsageError(msg("--host-key names {name}, which is no host here", printable(name, _SHOWN)), hint=hint)


def _host_id(text: str) -> str:
    return text.rpartition("/")[2].partition("@")[0]


def _split_pairs(texts: Iterable[str], option: str) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise UsageError(f"{option} {printable(name, _SHOWN)} says nothing of it", hint="write NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


def _ending_lines(created: new_inventory.NewInventory, root: Path, hosts: list[str]) -> list[str]:
    lines = [f"wrote {file}" for file in created.files if not file.name.startswith(".")]
    if created.password:
        lines.append(f"wrote {created.password}: the vault's password; keep a copy of it in a safe")
    if created.configuration:
        lines.append(f"wrote {created.configuration}: commands know this inventory and its password from now on")
    if created.settings:
        lines.append("your configuration file is there already; let it say, or name them in the environment:")
        lines += [f"  {line}" for line in created.settings]
    if created.repository:
        commit = f", first commit {created.commit[:12]}" if created.commit else "; nothing is committed yet"
        lines.append(f"made a Git repository in {root}{commit}")
    else:
        lines.append(f"{root} is in a checkout already: no repository and no hook is made")
    named = f" -i {root}" if created.settings else ""
    lines.append(
        f"a host that is bare yet is made ready first ({', '.join(hosts)}):"
        f" provisioner{named} hosts prepare HOST --user root"
    )
    return [*lines, f"next: provisioner{named} keys init --allow trust={len(hosts)}"]


class InitDocument(Printed, name="init", title="A new inventory"):
    """Output of `provisioner init --output json`."""

    files: tuple[Path, ...]
    vault_password: Path | None = of("password")  #: The file of the vault's password, if it is new.
    configuration: Path | None
    settings: tuple[str, ...]  #: A remark about an existing configuration file.
    repository: bool
    commit: Known
    hosts: int
