"""Rules on texts: unencrypted files have no passwords or personal data.

Free texts appear in pages and spreadsheets of provinces and the ministry, RTSP paths in plans, and Git keeps every
commit. A message has the position and never the text.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from provisioner.base import private_text
from provisioner.base.errors import Problem, Severity
from provisioner.base.text import counted, msg
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.free_texts import WITHHELD, texts_in
from provisioner.inventory.rules.sites import SiteRule, SiteView
from provisioner.inventory.rules.view import View

_Finding = tuple[str, str, str, Severity]
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

_GIT: Final = "Git does not forget, so if it was committed, "
_PASSWORD: Final[_Finding] = (
    "password-in-text",
    "a password or login is written out (it is not repeated here)",
    msg("take it out; logins stand in secrets/ alone. {git}change the password on the device", _GIT),
    _ERROR,
)
_PERSON: Final[_Finding] = (
    "personal-in-text",
    "a phone number or an e-mail address is written out (it is not repeated here)",
    msg(
        "take it out; people stand in contacts/ alone. {git}take it out of the history, too, e.g. with git-filter-repo",
        _GIT,
    ),
    _ERROR,
)
_ODD: Final[_Finding] = (
    "text-like-a-password",
    "a word is made like a password (it is not repeated here)",
    "take it out if it is one, and change it on the device; otherwise write it in words",
    _WARNING,
)
_MARKUP: Final[_Finding] = (
    "markup-in-text",
    "it holds markup (<…>) or a spreadsheet's formula",
    "write it in plain words: pages and spreadsheets show it letter by letter",
    _WARNING,
)
_PATH: Final[_Finding] = (
    "password-in-path",
    "the RTSP path holds a login that is written out (it is not repeated here)",
    msg(
        "write {username} and {password} in its place: secrets/ has them. {git}change the password on the device",
        "{username}",
        "{password}",
        _GIT,
    ),
    _ERROR,
)
_PRIVATE: Final = (_PASSWORD, _PERSON, _ODD)
PRIVATE_TEXTS: Final = frozenset(finding[0] for finding in _PRIVATE)  #: Codes of problems whose text is never shown.


# Texts repeat: makes, models and what surveys say of hundreds of sites.
@lru_cache(maxsize=4096)
def _text_finding(text: str) -> _Finding | None:
    if private_text.states_login(text):
        return _PASSWORD
    if private_text.holds_personal_data(text):
        return _PERSON
    if private_text.holds_made_up_word(text):
        return _ODD
    return _MARKUP if private_text.holds_markup(text) else None


def _is_private(text: str) -> bool:
    return _text_finding(text) in _PRIVATE


@lru_cache(maxsize=4096)
def _path_finding(path: str) -> _Finding | None:
    if private_text.path_holds_login(path):
        return _PATH
    if unknown := private_text.unknown_references(path):
        # The text between the braces may itself be a password.
        message = msg("the RTSP path has an unknown placeholder, {times}", counted(len(unknown), "time"))
        hint = "write {username} or {password}, which stand for the login in secrets/; other braces as %7B and %7D"
        return "rtsp-path-reference", message, hint, _ERROR
    return None


def public_text(text: str) -> str:
    """Return a free text, withheld if private, whatever the inventory's problems are."""
    return WITHHELD if _is_private(text) else text


def texts_of_facilities_are_public(site: SiteView) -> Iterator[Problem]:
    """A facility's free texts contain no password, phone number or e-mail address."""
    for path, text in texts_in(site.facility):
        if finding := _text_finding(text):
            code, message, hint, severity = finding
            yield site.problem(path, code, f"{_name(path)}: {message}", hint, severity=severity)


def rtsp_paths_hold_no_login(site: SiteView) -> Iterator[Problem]:
    """An RTSP path has placeholders for the login, not the login."""
    for index, camera in enumerate(site.facility.cameras):
        for name, stream in camera.streams.named:
            if stream.rtsp_path is None:
                continue
            if finding := _path_finding(stream.rtsp_path):
                code, message, hint, severity = finding
                path = ("cameras", index, "streams", name.value, "rtsp_path")
                message = msg("camera {id}: stream {value}: {message}", camera.id, name.value, message)
                yield site.problem(path, code, message, hint, severity=severity)


def texts_across_are_public(view: View) -> Iterator[Problem]:
    """Free texts of other files contain no private data either."""
    for owner, path, model in _other_models(view):
        for below, text in texts_in(model):
            if finding := _text_finding(text):
                code, message, hint, severity = finding
                where = (*path, *below)
                yield view.problem(owner, where, code, f"{_name(where)}: {message}", hint, severity=severity)


def _other_models(view: View) -> Iterator[tuple[str, KeyPath, Model]]:
    base_inventory = view.inventory
    yield "inventory", (), base_inventory.settings
    lists: dict[tuple[str, str], Sequence[Model]] = {
        ("instructions", "instructions"): base_inventory.instructions,
        ("designations", "designations"): base_inventory.designations,
        ("maintenance", "windows"): base_inventory.maintenance,
        ("intents", "intents"): base_inventory.intents,
    }
    for (owner, key), models in lists.items():
        for index, model in enumerate(models):
            yield owner, (key, index), model
    if base_inventory.signing_keys:
        yield "signers", (), base_inventory.signing_keys
    for carrier in base_inventory.carriers.values():
        yield f"carrier/{carrier.id}", (), carrier
    for centre in base_inventory.centres.values():
        yield f"centre/{centre.id}", (), centre
    yield "allocations", (), base_inventory.allocations


def unquoted(view: View, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Withhold private texts in problems that quote orders and documents."""
    private = {text for _, _, model in _other_models(view) for _, text in texts_in(model) if _is_private(text)}
    for problem in problems:
        message, hint = problem.message, problem.hint
        for text in private:
            message, hint = message.replace(text, WITHHELD), hint.replace(text, WITHHELD)
        yield replace(problem, message=message, hint=hint) if private else problem


def downloads_need_no_login(view: View) -> Iterator[Problem]:
    """A mirror's address, shown in plans and errors, contains no login."""
    source = view.inventory.settings.mediamtx.source
    # `{version}` and `{arch}` are what an address there refers to.
    address = source.partition("://")[2].replace("{version}", "").replace("{arch}", "")
    if address and private_text.path_holds_login(address):
        message = "mediamtx.source holds a login that is written out (it is not repeated here)"
        hint = msg("name a mirror without a login, or file: and a path. {git}change the password of the mirror", _GIT)
        yield view.problem("inventory", ("mediamtx", "source"), "password-in-path", message, hint)


def _name(path: KeyPath) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in path)


SITE_RULES: tuple[SiteRule, ...] = (texts_of_facilities_are_public, rtsp_paths_hold_no_login)
RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (texts_across_are_public, downloads_need_no_login)
