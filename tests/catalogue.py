"""The English sentences of the program, read out of its code, for the catalogue of translations.

Two kinds: what a `Translator` is called with (`say("…")`, `say.plural`, `say.counted`), and the sentences of layers
that know no language, which `Translator.restated` says again: `msg("…", …)`, and every text of several words in
`RESTATED`.

    python -m tests.catalogue          says what `vi.po` lacks and what it has too many of
    python -m tests.catalogue --write  adds the one untranslated, and removes the other
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import polib

from provisioner.base.errors import Severity
from provisioner.base.language import Language, catalogue_file
from provisioner.base.text import plural_of
from provisioner.inventory.model.facility import BlockReason
from provisioner.inventory.policy_rules.judge import RegoTestEnd
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.change import Action, Impact, Resource
from provisioner.record.lifecycle.state import FacilityState
from provisioner.verify.picture_check import State, Suspect
from provisioner.verify.reference import Daylight, ViewDoubt
from provisioner.verify.result import Cause, DeviceState, Layer, Verdict

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "provisioner"

#: Where the sentences arise that people read in what `status`, `validate`, `verify` and `plan` print.
RESTATED = (
    "hosts/answers.py",
    "hosts/runner.py",
    "hosts/unreachable.py",
    "inventory/allocation.py",
    "inventory/explanation/problems.py",
    "inventory/files/layout.py",
    "inventory/files/yaml.py",
    "inventory/loader/frozen.py",
    "inventory/loader/secrets.py",
    "inventory/loader/site.py",
    "inventory/makes.py",
    "inventory/model",
    "inventory/outline.py",
    "inventory/policy_rules/engine.py",
    "inventory/policy_rules/file.py",
    "inventory/policy_rules/judge.py",
    "inventory/rules",
    "operations/edit/relay_drain.py",
    "operations/edit/validate.py",
    "operations/rollout/result.py",
    "plan/build.py",
    "plan/diff",
    "plan/document.py",
    "plan/guards/policy.py",
    "plan/guards/policy_rules.py",
    "plan/guards/reachability.py",
    "plan/offline.py",
    "plan/plan.py",
    "record/lifecycle",
    "verify/acceptance.py",
    "verify/delivery.py",
    "verify/devices.py",
    "verify/incidents.py",
    "verify/judge.py",
    "verify/network.py",
    "verify/path_history.py",
    "verify/picture_check.py",
    "verify/reference.py",
    "verify/relay_health.py",
    "verify/rotation.py",
    "verify/run.py",
    "verify/sources.py",
    "verify/stream.py",
    "verify/words.py",
)

#: Modules whose f-strings are finished sentences: a place is named after the value's last name in the code.
FINISHED = (
    "cli/apply.py",
    "cli/apply_run.py",
    "cli/camera.py",
    "cli/facility.py",
    "cli/report.py",
    "cli/support/commands.py",
    "cli/support/context.py",
    "cli/support/terminal.py",
    "cli/support/texts.py",
    "cli/view.py",
    "ministry",
    "operations/edit/cameras.py",
    "operations/edit/facilities.py",
    "operations/edit/file_edit.py",
    "operations/edit/logins.py",
    "operations/questions/next_step.py",
)
#: Functions of the command line that show a text in the caller's language.
_SAYING = ("said", "ask", "make_sure", "answer", "_answer")

#: Modules of which some definitions alone say such sentences.
RESTATED_PARTS = {
    "base/errors.py": ("FrozenFacility",),
    "base/text.py": ("checked_url", "words_of_end"),
    "base/vault.py": ("_HOW_TO_SET", "decrypt"),
    "hosts/artefact.py": ("_source_of", "_local", "_checked_path", "_other_checksum", "_cache_folder", "_download"),
    "hosts/facts.py": (
        *("Condition", "_OPENS", "_beside", "_disk_faults", "_clock_faults", "_span"),
        *("other_firewalls", "ending_certificate"),
    ),
    "inventory/geography.py": ("unit_today",),
    "inventory/loader/load.py": ("invalid", "_FilesPass", "_refuse_without_settings"),
    "inventory/policy_rules/references.py": ("_SCHEMA", "_WHY_NOT", "_Scope", "_why_not", "_A_KIND"),
    "operations/apply/silences.py": (
        *("not_silenced", "none_silenced", "not_ended", "outlasting"),
        *("IN_DISORDER", "TOO_SLOW", "NO_ADDRESS"),
    ),
    "plan/guards/approvals.py": ("ApprovalNeed",),
    "verify/result.py": ("waits_line",),
}

#: The pages' catalogue, and the letters of imports, which are Vietnamese first.
_OF_OTHER_CATALOGUES = ("web/", "importing/")
_NAMED = (ast.Name, ast.Attribute)
_WRAPPERS = {"printable", "counted", "join", "str", "len", "map", "sorted", "removeprefix", "rpartition", "partition"}
_IN_A_PAGE = re.compile(r"""\bsay(?:\.plural)?\("([^"]*)\"""")
_LEADING = re.compile(r"^[ ;,:]+|[ :]+$")
_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
UNNAMED = "{}"


@dataclass(frozen=True, order=True)
class Msgid:
    """A sentence in English, with the file that it is said in."""

    one: str
    many: str
    file: str


def _template(node: ast.JoinedStr) -> str:
    """An f-string with unnamed places: no entry of a catalogue has one."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else UNNAMED for part in node.values)


def _named_template(node: ast.JoinedStr) -> str:
    """An f-string with places that have names."""
    text, names = "", Counter[str]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        words = [n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(part) if isinstance(n, _NAMED)]
        name = next((word.strip("_").lower() for word in words if word not in _WRAPPERS), "value")
        names[name] += 1
        text += f"{{{name}}}" if names[name] == 1 else f"{{{name}_{names[name]}}}"
    return text


def _docstrings(tree: ast.AST) -> set[int]:
    """The texts that are no sentences: docstrings, and quoted types."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    } | {
        id(part)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
        for part in ast.walk(hint)
    }


def _texts(node: ast.AST, skipped: set[int], template: Callable[[ast.JoinedStr], str] = _template) -> Iterator[str]:
    match node:
        case ast.JoinedStr():
            yield template(node)
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _texts(part.value, skipped, template)
        case ast.Constant(value=str(text)) if id(node) not in skipped:
            yield text
        case ast.Call(func=ast.Name(id="counted"), args=[number, ast.Constant(value=str())]):
            yield from _texts(number, skipped, template)
        case (
            ast.Call(func=ast.Name(id="Use" | "field_options"))
            | ast.keyword(arg="help" | "meaning" | "metavar")
            | ast.AnnAssign(target=ast.Name(id="_SECTIONS"))
        ):
            return  # help, which has a catalogue of its own
        case ast.ClassDef(body=body):  # what its keywords say stands in schemas
            for statement in body:
                yield from _texts(statement, skipped, template)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _texts(child, skipped, template)


@cache
def _tree(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="os_errors"), args=[ast.JoinedStr(values=fault), *_]):
                fault += [ast.Constant(": "), ast.FormattedValue(ast.Name("error"), -1)]  # what it says behind
    return tree


def _modules(place: str) -> list[Path]:
    path = PACKAGE / place
    assert path.exists(), f"{place} is no module any more"
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def restated() -> Iterator[Msgid]:
    """The finished sentences, and the nouns that are counted in them."""
    yield from (Msgid(one, "", "(said elsewhere)") for one in ELSEWHERE)
    for path in (path for place in RESTATED for path in _modules(place)):
        yield from _restated(path, _tree(path))
    for path in (path for place in FINISHED for path in _modules(place)):
        yield from _restated(path, _tree(path), _named_template)
    for place, names in RESTATED_PARTS.items():
        (path,) = _modules(place)
        parts = {_definition(node): node for node in _tree(path).body}
        for name in names:
            yield from _restated(path, parts[name])


def _definition(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""


def _restated(path: Path, node: ast.AST, template: Callable[[ast.JoinedStr], str] = _template) -> Iterator[Msgid]:
    for text in _texts(node, _docstrings(node), template):
        sentence = _LEADING.sub("", text)
        if _is_several_words(sentence) and not is_no_sentence(sentence):
            yield Msgid(sentence, "", str(path.relative_to(PACKAGE)))


def _is_several_words(text: str) -> bool:
    """Whether a text has a word of its own, and another one or a place beside it."""
    words = re.findall(r"[A-Za-z]+", _PLACE.sub(" ", text))
    return " " in text and any(len(word) > 1 for word in words) and len(words) + text.count("{") > 1


#: What is counted by a value's name.
NOUNS = ("province", "carrier", "relay", "trust", "path", "peer", "rule", "file", "unit")


def is_no_sentence(text: str) -> bool:
    """Whether a text is a pattern, a statement of nftables, or a name: nothing that anybody reads."""
    return bool(re.search(r"\\[.bSdwt(]|\(\?|^\^|\.\*|[a-z]\|[a-z]", text)) or _unnamed(text) in _NOT_SAID


def _unnamed(text: str) -> str:
    return _PLACE.sub(UNNAMED, text)


NOT_SAID = frozenset(
    {
        # words of other programs, by which their lines are recognised
        *("connection refused", "timed out", "host bits", "cannot start any token", "mapping values", "control api"),
        *("has no user provisioner-probe", "readers ended before", "said too much", "tcp timeout", "request timed out"),
        *("host key verification failed", "too many authentication failures", "centre reads"),
        *("1 if the controller's reports count now.", "Findings about reports.", "Time of its last report."),  # metrics
        *("Paths of all controllers by verdict.", "Time of these metrics."),
        *("theo báo cáo của {of} đơn vị", "chưa rõ: {late}"),
        # nftables', WireGuard's and the vault's own
        *("element cameras {element}", "table inet {table}", "chain {name}", "element {name} {element}"),
        *("set {name}", "keepalive {keepalive_s} → {keepalive_s_2}", "endpoint {endpoint} → {endpoint_2}"),
        *("rule table inet provisioner", "table inet {table}", "secrets-{carrier}, or secrets"),
        "# Written by `provisioner keys init`; encrypted with the vault id `{vault_id}`.\n",
        # names of codecs and makes
        *("MPEG-1 Video", "MPEG-1/2 Audio", "MPEG-1/2 Video", "MPEG-2 Video", "MPEG-4 Audio", "MPEG-4 Audio LATM"),
        *("MPEG-4 Video", "KB Vision", "program MediaMTX"),
        "\n{name} contains message if {\n\tmessage := input.inventory\n\tfalse\n}\n",  # Rego
        # messages of commits, which are English
        *("{facility}: a camera more", "{facility}: either setting of {device} until {date}", "{facility}: registered"),
        *("{facility}: the new settings of {device} alone", "{facility}: {device} is another device"),
        *("{facility}: {device} is gone", "{facility}: {device} is moved", "{name}: a plan is proposed"),
        *("{name}: closed", "{name}: its representative is confirmed", "{name}: surveyed", "{name}: to {relay}"),
        "{name}: the successor is the plan",
        # contents of files, types, faults of the program
        "# Logins of cameras and recorders, by facility and device; encrypted with the vault id `{vault_id}`.\n",
        *("version: 1\nid: {name}\n", "str | Placeholder", "{module}.{attribute} is not a click command"),
        "{most} and {last}",
        "Global options: see `provisioner --help`.",  # help
        "{devices} {devices_2} no login in the vault",
        # commands
        *("geography list", "history show", "plan diff", "quarantine list", "provisioner {command_text}"),
        *("provisioner camera replace {facility}/{name}", "provisioner facility move {facility} --to {relay}"),
        "provisioner facility plan {facility} --relay {relay}",
        *("--by {value}", "--allow {allowance}", "provisioner sign-off {owner} --by {value}"),
        # descriptions in JSON Schemas, which are a document
        *("`provisioner keys init` writes this; do not edit it", "`provisioner sign-off` writes this; do not edit it"),
        # faults of a host's answer or of the program, for whoever corrects those
        *("a look has a moment", "a look that failed is a failure"),
        *("table {table}, chain {chain}", "{value} sha256:{digest}"),
        # a value's own words; `PUT_TOGETHER` has them with their nouns
        *("{no_reference} by {value}", "it has references by {value} only: accept it in the other light, too"),
        *("{value} {name} on {host} ({reason})", "{value} {name} on {host}", "{actions} to {value}", "rule {name}"),
        *("unit {name}", "peer {key}", "file {path}", "relay {name}"),
    }
)
_NOT_SAID = frozenset(map(_unnamed, NOT_SAID))

#: What hosts, Python and modules beside say, where people see it in a sentence of ours.
ELSEWHERE = (
    "Invalid value for {option}: {value} is not one of {choices}.",
    *("No such option: {option}", "see {command} --help", "no inventory is named", "Missing command."),
    *("Missing argument {name}.", "Missing option {name}.", "Invalid value for {option}: {reason}"),
    *("Got unexpected extra argument ({words})", "Got unexpected extra arguments ({words})"),
    *("Option {option} requires an argument.", "Option {option} does not take a value."),
    *("{value} is not a valid integer.", "{value} is not a valid integer range."),
    *("{value} is not a valid float.", "{value} is not in the range {range}."),
    *("{value} does not match the format {format}.", "File {name} does not exist.", "Path {name} does not exist."),
    *("Directory {name} does not exist.", "File {name} is a directory.", "Directory {name} is a file."),
    *("did you mean {word}?", "did you mean {words} or {word}?"),
    "{question} see {command} --help",
    "name its folder: -i DIR, before or after the command, or PROVISIONER_INVENTORY in the environment",
    "{where} is {named}: no language of this program",
    "is of another statement than this sign-off's",
    "was made for something else than {namespace}",
    "its answer cannot be read: {error}",
    "first apply",
    "{program}: no such program on this host",
    *("day is out of range for month", "hour must be in 0..23", "minute must be in 0..59", "month must be in 1..12"),
    *("correct the id, or register the facility first", "put the file itself in its place"),
    *("it is no regular file", "a link leads out of the folder", "it is not followed"),
    "{network} has host bits set",
    *("no answer in time", "its port refuses the connection", "it closed the connection without a word"),
    *("it cannot be connected to, or closed the connection", "it does not answer by HTTP", "it is no XML"),
    *("it is larger than any answer", "its answer is cut into pieces that do not fit", "there is no {answer} in it"),
    *("it declares a document type", "it names neither model nor serial number"),
    *("it says that it cannot answer: {said}", "HTTP {status}: there is no ONVIF service at this port"),
    "the part that asks could not be run",
    *("acceptance record", "survey minutes", "an acceptance record is of one facility"),
    *("{rule}, and {count} are chosen", "survey minutes are of one facility", "no survey of it is written down"),
    *("there is no {words} of {name}: {reason}", "there is no {words} of any of {count}; of {name}: {reason}"),
    *("no {words} of {name}: {reason}", "provisioner export {what} says why of each"),
    *("provisioner status {name} --why says what is left to do", "it has no connection plan"),
    *("its plan is not signed by all three parties as it is now", "{what} has no official document"),
    "not all that its plan says was ever up at the centre in one verification",
    "it was proved at {moment}, and has to be proved again at least {hours} h later",
    *("--fill fills in a document, and none is asked for", "add --docx FILE", "{what} goes into one file"),
    "choose one: --limit facility=ID; or --docx-dir DIR for a file a facility",
    "write --docx FILE; --docx-dir DIR is for many minutes, a file a facility",
    *("there is no such province", "there is no such facility", "there is no such carrier", "there is no such host"),
    *("provinces here are: {names}", "facilities here are: {names}", "carriers here are: {names}"),
    *("hosts here are: {names}", "write --limit KIND=NAME, KIND one of {kinds}"),
    *("{slug} is no {kind} of {scheme}", "`provisioner geography list --scheme {scheme}` shows all names"),
)

RECORDED = "(records)"
#: Sentences that records of earlier versions have, and that readers get in their language.
FORMER = (
    (
        "{name} is at work beside our table, and what it refuses stays refused; it is left alone: let the ports of"
        " WireGuard (UDP), of SSH and of its readers (TCP) in there too ({opens}), or switch it off"
    ),
    "it has not proved that it is the host that was managed before; nothing was sent to it",
    "nothing answers at its SSH port: refused",
    "ssh says nothing of why",
    "{place} is less than nothing",
    "{place} is none of {expected}",
    "it sent {came_s} s of picture, and then nothing for {nothing_s} s: restart the camera",
    "the line between them does not bear what is watched",
    (
        "it takes the login for pictures and refuses it by ONVIF: make a user of that name and"
        " password for ONVIF on the device, then verify --onvif-again; until then nobody tries it"
    ),
    (
        "it tells the serial number {serial}, which is that of {owner}, and not {serial_2}: put"
        " the devices where they belong, or correct the inventory"
    ),
    "nothing more is known",
    "the closer look has what is no address",
    "nothing came from the site, though its handshake is {age} s old: its line is cut, or it is off",
    "nothing comes through any tunnel of the relay: its own line, or its address there",
    "nothing of the site answers over the carrier's network{heard}: the route to it, its line, or its power",
    (
        "the gateway answers and maps its devices, and none of them does: it forwards nothing"
        " (net.ipv4.ip_forward), or its rules for it are not those of the site package"
    ),
    "the gateway answers and reaches none of its cameras: its LAN port, the switch, or the power there",
    "the line loses packets, or does not bear what is watched",
    "{share} of what had edges has none",
    "its site pushes it, and nothing comes",
    "none of the {none} that push to the relay does: its own line, or its address there",
    "nothing of the site comes: its line, its power, or its gateway is off",
    "it told nothing",
    "its service runs and answers nobody: {why}; provisioner plan names its restart",
    "takes the connection and answers nothing: restart the device",
    "takes the connection and closes it: too many viewers, or none are allowed",
    "the device sends nothing",
    "the relay's rules do not let it out to where it was sent",
    "the stream offers nothing to be read",
    "a line break that editors and Git show as none (U+{hidden})",
    "accept: what it was is what it is now: write the new values beside accept",
    "generate a new key on one of the two: a private key never leaves the host where it was born",
    "give that program another port, or take this one out: nothing would come to that program any more",
    "it pushes from {address}, which lies in none of the networks that {carrier} lets push",
    "its probe asks nobody there about itself any more (ONVIF)",
    "name another one, or none: provisioner facility plan {id} --backup-relay NAME",
    "nobody could come to push from there",
    (
        "nothing in an inventory is a template: one that reached Ansible would run code on the controller; write"
        " the value itself, in quotes if it holds braces"
    ),
    "nothing proves that it was managed before: {desired}",
    "put what it leads to in its place: nothing outside of an inventory is read as a part of it",
    "see what it lets in before anything is applied",
    "site {name}: {device}: number {number} is none of its prefix",
    "the LAN {lan} lies in none of the routed networks of {id}: {listed}",
    "the RTSP path refers {times} to what nothing fills in",
    "the gateway has a next key and none that it follows",
    "what is loaded means what the intended file means",
    "write the value out where it is used",
    "write what is done next and until when, or remove blocked if it is solved",
    "write what it was: codec, width, height, fps or least_kbps",
    "{changes} of who and what is trusted ({first}{more}); {allowed} may be",
    "{device} is asked by nobody: no relay reaches a device of a site that pushes",
    (
        "{id} reaches {network} by {device}, and the tunnel is to have that network: sites there would not be"
        " reached, or what is there now would not"
    ),
    "{id} serves it from now on, where it was served by {others}",
    "{id}: its new rules would drop neighbour discovery (ICMPv6): nobody would find it over IPv6",
    "{n} % of all paths would be served nowhere any more",
    "{paths} would be served nowhere any more",
    "{reason}: whoever comes from now on is shown another certificate, and nobody is cut",
)

_LIGHTS = tuple(light.value for light in Daylight)
_KINDS = ("trust", "path", "peer", "rule", "file", "unit")
_OBJECTS = ("carrier", "centre", "contact", "designation", "facility", "instruction", "relay", "recorder", "tombstone")
#: Sentences that code makes of values of lists, so that they stand nowhere as one.
PUT_TOGETHER = (
    *(f"{action} {kind} {{name}}" for action in ("create", "update", "delete") for kind in _KINDS),
    *(f"{kind} {{name}}" for kind in (*_KINDS, *_OBJECTS, "camera", "host", "site", "device")),
    *(f"{kind} {{name}} on {{host}}" for kind in _KINDS),
    *(f"{kind} number {{n}}" for kind in (*_OBJECTS, "camera", "signer", "window", "withdrawal")),
    *(f"{{n}} to {action}" for action in ("create", "update", "delete")),
    *("{first} and {rest}", "{first} or {rest}"),
    *(f"no reference by {light}" for light in _LIGHTS),
    *(f"it has references by {light} only: accept it in the other light, too" for light in _LIGHTS),
    *_LIGHTS,
    "tunnel",
    *sorted({one.value for one in (*State, *Suspect, *ViewDoubt)}),
)


def spoken() -> Iterator[Msgid]:
    """What translators are called with, anywhere in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call):
                yield from _of_call(node, str(path.relative_to(PACKAGE)))
    yield from (Msgid(cause.next_step, "", "verify/result.py") for cause in Cause if cause.next_step)
    yield from (Msgid(one, "", "(put together of values)") for one in PUT_TOGETHER)
    yield from (Msgid(one, "", RECORDED) for one in FORMER)
    for noun in NOUNS:
        yield Msgid(f"{{n}} {noun}", f"{{n}} {plural_of(noun)}", "(put together of values)")
    for path in sorted(PACKAGE.rglob("*.j2")):
        for one in _IN_A_PAGE.findall(path.read_text(encoding="utf-8")):
            yield Msgid(one, "", str(path.relative_to(PACKAGE)))


def _of_call(call: ast.Call, file: str) -> Iterator[Msgid]:
    match call.func, call.args:
        case ((ast.Name(id="say" | "marked") | ast.Attribute(attr="say" | "_say")), [ast.Constant(value=str(one))]) | (
            ast.Name(id="msg"),
            [ast.Constant(value=str(one)), *_],
        ):
            yield Msgid(one, "", file)
        case ast.Name(id=name) | ast.Attribute(attr=name), arguments if name in _SAYING:
            for one in (text for argument in arguments for text in _texts(argument, set(), _named_template)):
                if _is_several_words(one):
                    yield Msgid(one, "", file)
        case ast.Name(id="marked"), [ast.JoinedStr() as finished]:
            yield Msgid(_LEADING.sub("", _template(finished)), "", file)
        case ast.Attribute(attr="plural"), [ast.Constant(value=str(one)), ast.Constant(value=str(many)), _]:
            yield Msgid(one, many, file)
        case ((ast.Attribute(attr="counted") | ast.Name(id="counted")), [_, ast.Constant(value=str(noun))]):
            yield Msgid(f"{{n}} {noun}", f"{{n}} {plural_of(noun)}", file)


#: The lists whose values `Translator.word` is asked for.
LISTS: tuple[type[StrEnum], ...] = (
    *(Verdict, Layer, Cause, DeviceState, Action, Resource, Impact, Severity, FacilityState, BlockReason, HostOutcome),
    RegoTestEnd,
)


def words() -> set[tuple[str, str]]:
    """What stands in the catalogue with a context: each value of those lists."""
    return {(listed.__name__, value.value) for listed in LISTS for value in listed if value.value}


@cache
def msgids() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """By msgid: its plural, and the files that say it."""
    known: dict[str, tuple[str, tuple[str, ...]]] = {}
    for msgid in sorted({*restated(), *spoken()}):
        many, files = known.get(msgid.one, ("", ()))
        known[msgid.one] = (many or msgid.many, tuple(sorted({*files, msgid.file})))
    return known


@cache
def catalogue() -> polib.POFile:
    """`vi.po` as polib has it."""
    return polib.pofile(str(catalogue_file(Language.VI)), encoding="utf-8", wrapwidth=100)


def renewed(file: polib.POFile, wanted: Mapping[str, tuple[str, tuple[str, ...]]]) -> polib.POFile:
    """The catalogue with all sentences of the code and no other one; what is translated stays so."""
    old = {entry.msgid: entry for entry in file if not entry.msgctxt}
    by_word = {(entry.msgctxt, entry.msgid): entry for entry in file if entry.msgctxt}
    new = polib.POFile(wrapwidth=100)
    new.metadata = file.metadata
    for context, word in sorted(words()):
        new.append(by_word.get((context, word)) or polib.POEntry(msgctxt=context, msgid=word))
    for one, (many, files) in sorted(wanted.items(), key=lambda item: (item[1][1][0], item[0])):
        known = old.get(one)
        text = (known.msgstr_plural.get(0, "") or known.msgstr) if known else ""
        entry = polib.POEntry(msgid=one, occurrences=[(name, "") for name in files])
        if many:
            entry.msgid_plural, entry.msgstr_plural = many, {0: text}
        else:
            entry.msgstr = text
        new.append(entry)
    return new


@cache
def untranslated() -> Mapping[str, tuple[str, ...]]:
    """Texts that people read and that have no entry, by file: errors of all folders, and all texts of commands."""
    known = {_unnamed(text) for one, (many, _) in msgids().items() for text in (one, many)}
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        place = str(path.relative_to(PACKAGE))
        tree = _tree(path)
        shown = [tree] if place.startswith("cli/") else _shown(tree)
        no_texts = _docstrings(tree)
        texts = {_LEADING.sub("", text) for node in shown for text in _texts(node, no_texts)}
        lacking = {one for one in texts if _is_several_words(one) and not is_no_sentence(one)}
        lacking = {one for one in lacking if _unnamed(one) not in known}
        if lacking and not place.startswith(_OF_OTHER_CATALOGUES):
            found[place] = tuple(sorted(lacking))
    return found


def _shown(tree: ast.AST) -> list[ast.AST]:
    """The arguments of errors, and hints and messages that are named before."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if (
                name.endswith("Error") or name == "os_errors"
            ):
                found.append(node)
            case ast.Assign(targets=[ast.Name(id="hint" | "message")], value=value):
                found.append(value)
    return found


def main() -> int:
    """Compare, and with `--write` bring the catalogue to what the code says."""
    file, wanted = catalogue(), msgids()
    have = {entry.msgid for entry in file if not entry.msgctxt and not entry.obsolete}
    lacking = [msgid for msgid in wanted if msgid not in have]
    surplus = sorted(have - wanted.keys())
    of_lists = {(entry.msgctxt, entry.msgid) for entry in file if entry.msgctxt}
    lacking += sorted(map(str, words() - of_lists))
    surplus += sorted(map(str, of_lists - words()))
    for msgid in lacking:
        if UNNAMED in msgid:
            sys.stdout.write(f"an f-string: {msgid!r}: write msg(…), or add it to NOT_SAID\n")
    lacking = [msgid for msgid in lacking if UNNAMED not in msgid]
    for title, names in (("lacking", lacking), ("said nowhere any more", surplus)):
        for name in names:
            sys.stdout.write(f"{title}: {name!r}\n")
    if "--write" in sys.argv[1:]:
        renewed(file, {one: of for one, of in wanted.items() if UNNAMED not in one}).save(
            str(catalogue_file(Language.VI))
        )
    return int(bool(lacking or surplus))


if __name__ == "__main__":
    sys.exit(main())
