"""Loading an inventory's files as typed values, with all their problems."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from pydantic_core import from_json

from provisioner.base.errors import REGO_RULES, InventoryError, Problem, Severity, os_errors
from provisioner.base.processes import without_collector
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import Document, counted, msg
from provisioner.inventory import rules
from provisioner.inventory.explanation.problems import listed
from provisioner.inventory.files.layout import VAULT_MARK, File, layout_of, leads_out
from provisioner.inventory.files.positions import Located, Places, SourceFile
from provisioner.inventory.loader.cache import Cache, CachedSites, part_of, sites_of
from provisioner.inventory.loader.site import (
    OnDisk,
    Site,
    as_json,
    bytes_of,
    details_of,
    read,
    text_of,
    unreadable,
    validated_text,
)
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.facility import Facility, Survey
from provisioner.inventory.model.hosts import Allocations, Carrier, Centre
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.policy import Settings
from provisioner.inventory.model.receivers import Signers
from provisioner.inventory.outline import Outline, OutlinedInventory
from provisioner.inventory.policy_rules.file import MOST_BYTES, MOST_FILES, RegoFile
from provisioner.inventory.rules.view import without_consequences

_CARRIERS_ID = "secrets-"  #: Prefix of carriers' vault ids, as in `provisioner.base.vault`.

M = TypeVar("M", bound=Model)
_SETTINGS: Final = "inventory.yml"
#: The inventory's fields from files with one list, and the list's key in the file.
_LISTS: Final = {
    "instructions": "instructions",
    "designations": "designations",
    "maintenance": "windows",
    "intents": "intents",
    "receivers": "receivers",
}


@dataclass(frozen=True)
class Loaded:
    """Content of the files."""

    today: date
    frame: BaseInventory | None  #: The content without facilities; `None` without settings or lock.
    outlines: Mapping[str, Outline]
    broken: frozenset[str]  #: Owners whose files have errors; their content is unknown.
    problems: tuple[Problem, ...]  #: Problems of single files, sorted by position.
    rule_problems: tuple[Problem, ...]  #: Problems that rules find in single files.
    places: Places
    #: Computes the content digest of each file, by path.
    contents: Callable[[], dict[str, str]] = field(repr=False, compare=False)
    #: Builds the facilities by id; ten thousand take seconds.
    facilities: Callable[[], dict[str, Facility]] = field(repr=False, compare=False)
    facility: Callable[[str], Facility] = field(repr=False, compare=False)
    #: Reads the survey of one facility of `outlines`; `name` reads its name.
    survey: Callable[[str], Survey | None] = field(repr=False, compare=False)
    name: Callable[[str], str] = field(repr=False, compare=False)
    digests: Mapping[str, str] = field(repr=False, compare=False)  #: The SHA-256 of each file's bytes, by path.
    #: Returns the cached problems across files, or finds them; the key is a digest of all inputs.
    problems_across: Callable[[str, Callable[[], tuple[Problem, ...]]], tuple[Problem, ...]] = field(
        repr=False, compare=False
    )

    @cached_property
    def digest(self) -> str:
        """`sha256:…` over all contents but contacts/, without comments and file order."""
        return digest_of(self.contents())

    @cached_property
    def partial(self) -> Inventory | None:
        """The inventory as far as readable; `None` without settings or lock."""
        if self.frame is None:
            return None
        with without_collector(), at_stage(Stage.BUILD):
            # A reader of all facilities has time for the lock, and may compare the whole with another.
            lock = self.frame.allocations
            return self.frame.with_facilities(self.facilities()).model_copy(update={"allocations": lock})

    @cached_property
    def outlined(self) -> OutlinedInventory | None:
        """As `partial`, with outlines of facilities."""
        return None if self.frame is None else self.frame.with_facilities_as(OutlinedInventory, self.outlines)

    @cached_property
    def all_problems(self) -> tuple[Problem, ...]:
        """All problems, of single files and across files, sorted by position."""
        with at_stage(Stage.RULES):
            return self._all_problems()

    def _all_problems(self) -> tuple[Problem, ...]:
        across: tuple[Problem, ...] = ()
        if self.frame:
            view = rules.View(self.frame, self.outlines, self.places, self.today, self.broken)
            # A file with faults is not stored: messages may quote its content.
            is_whole = not self.problems and not self.broken
            across = self._across(view) if is_whole else rules.check_across(view)
        return without_consequences(sorted([*self.problems, *self.rule_problems, *across]))

    def _across(self, view: rules.View) -> tuple[Problem, ...]:
        rests_on = json.dumps([self.today.isoformat(), sorted(self.digests.items())])
        return self.problems_across(hashlib.sha256(rests_on.encode()).hexdigest(), lambda: rules.check_across(view))

    @property
    def inventory(self) -> Inventory | None:
        """The inventory; `None` if any file has an error that stops commands."""
        return None if any(p.stops for p in self.problems) else self.partial


def with_file(frame: BaseInventory, owner: str, model: Model) -> BaseInventory:
    """Return an inventory with another content of a list's or host's file."""
    if owner in _LISTS:
        return frame.model_copy(update={owner: getattr(model, _LISTS[owner])})
    key = "carriers" if isinstance(model, Carrier) else "centres"
    return frame.model_copy(update={key: getattr(frame, key) | {owner.partition("/")[2]: model}})


def digest_of(contents: Mapping[str, str]) -> str:
    """Return an inventory's digest from the content digests by path."""
    listed = json.dumps(sorted(contents.items()))
    return f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"


def load(root: Path, *, today: date, cache: Cache | None = None) -> Loaded:
    """Read all files and find all problems; `InventoryError` without inventory.yml."""
    _refuse_without_settings(root)
    with without_collector():
        return _FilesPass(root, today, CachedSites(cache, root)).load()


def check(loaded: Loaded) -> tuple[Problem, ...]:
    """Return all problems of an inventory; they are found once."""
    return loaded.all_problems


def load_partial(root: Path, *, today: date, cache: Cache | None = None) -> tuple[Loaded, Inventory]:
    """Load an inventory's readable part; `InventoryError` without settings or lock."""
    loaded = load(root, today=today, cache=cache)
    if loaded.partial is None:
        raise InventoryError(
            f"the inventory {root} cannot be understood",
            problems=tuple(problem for problem in loaded.problems if problem.severity is Severity.ERROR),
            hint="run: provisioner validate",
        )
    return loaded, loaded.partial


def load_settings(root: Path) -> Settings:
    """Load `inventory.yml`, whatever the other files, or raise `InventoryError`."""
    file = File(root, _SETTINGS, "inventory", Settings)
    _refuse_without_settings(root)
    if leads_out(str(root), (_SETTINGS,)):
        raise InventoryError(f"{file.display_path} is a link out of the inventory", hint="put the file itself there")
    with os_errors(f"{file.display_path} cannot be read", "give yourself the file", InventoryError):
        content = read(file, bytes_of(file))
    if not isinstance(content.model, Settings) or content.problems:
        hint = "correct the places listed"
        raise InventoryError(f"{file.display_path} cannot be understood", problems=content.problems, hint=hint)
    return content.model


def valid_inventory(loaded: Loaded, root: Path, *, tolerate: Collection[str] = ()) -> Inventory:
    """Return the loaded inventory; `InventoryError` has every problem of an invalid one."""
    errors = [p for p in check(loaded) if p.stops and p.code not in tolerate]
    if errors or loaded.inventory is None:
        raise invalid(root, errors)
    return loaded.inventory


def invalid(root: Path, problems: Iterable[Problem]) -> InventoryError:
    """Return the error of an inventory with these problems."""
    every = tuple(problems)
    message = msg("the inventory {root} is invalid: {count}", root, counted(len(every), "problem"))
    return InventoryError(message, problems=listed(every), hint="correct the places listed")


def refuse_invalid(loaded: Loaded, root: Path, *, tolerate: Collection[str] = ()) -> None:
    """Refuse the same as `valid_inventory`, without building the inventory."""
    is_partial = loaded.frame is None or any(p.stops for p in loaded.problems)
    if is_partial or any(p.stops and p.code not in tolerate for p in check(loaded)):
        valid_inventory(loaded, root, tolerate=tolerate)


@dataclass
class _FilesPass:
    root: Path
    today: date
    cached_sites: CachedSites
    problems: list[Problem] = field(default_factory=list)
    rule_problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Located] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    parsed: dict[str, Model] = field(default_factory=dict)
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    outlines: dict[str, Outline] = field(default_factory=dict)
    sites: list[tuple[File, Site]] = field(default_factory=list)
    understood: list[tuple[File, Site]] = field(default_factory=list)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)
    rego: list[RegoFile] = field(default_factory=list)
    lock: str | None = None
    _file_ids: frozenset[str] = frozenset()
    _mended: set[int] = field(default_factory=set)

    def load(self) -> Loaded:
        layout = layout_of(self.root)
        self.problems += layout.problems
        facilities = [file for file in layout.files if file.model is Facility]
        self._file_ids = frozenset(file.owner.partition("/")[2] for file in facilities)
        with at_stage(Stage.READ, len(facilities)) as advanced:
            sites = self._read_sites(layout.files, facilities, advanced)
        for file in facilities:
            self._take_site(file, sites[file.relative])
        self._report_missing_files()
        return self._result()

    def _read_sites(
        self, files: Sequence[File], facilities: list[File], advanced: Callable[[int], None]
    ) -> dict[str, Site]:
        sites, changed = self._split_cached(facilities)
        advanced(len(sites))
        cache = self.cached_sites.cache
        with sites_of(changed, self.today, cache=cache, known=bool(sites), advanced=advanced) as collect:
            for file in files:
                if file.model is not Facility:
                    self._read_file(file)
            anew = collect()
        sites |= anew
        self.cached_sites.keep(sites, anew)
        self.cached_sites.keep_others(self.texts)
        return sites

    def _split_cached(self, facilities: list[File]) -> tuple[dict[str, Site], list[File]]:
        cached = self.cached_sites.sites()
        sites: dict[str, Site] = {}
        remaining = []
        for file in facilities:
            site = cached.get(file.relative)
            if site and site.holds_on(self.today) and _digest(file) == site.digest:
                sites[file.relative] = site
            else:
                remaining.append(file)
        return sites, remaining

    def _take_site(self, file: File, site: Site) -> None:
        self.sites.append((file, site))
        if file.owner in self.sources:
            self._report_duplicate(file)
            return
        self.sources[file.owner] = OnDisk(file, site.digest)
        self.problems += site.faults
        self.rule_problems += _under_own_facility(file, site)
        if site.faults:
            self.broken.add(file.owner)
        # A file that names another facility does not stand in for that one's own.
        if site.outline and (file.owner == f"facility/{site.outline.id}" or site.outline.id not in self._file_ids):
            self.outlines[site.outline.id] = site.outline
            self.understood.append((file, site))

    def _read_file(self, file: File) -> None:
        if file.kind == REGO_RULES and len(self.rego) > MOST_FILES:
            return  # that there are too many is said of those that were read
        try:
            data = bytes_of(file)
        except OSError as error:
            self.broken.add(file.owner)
            self.problems.append(unreadable(file, error))
            return
        if file.kind == REGO_RULES:
            self._take_rego(file, data)
            return
        if file.model is None:
            self._take_encrypted(file, data)
            return
        digest = hashlib.sha256(data).hexdigest()
        text = self.cached_sites.other(file.relative, digest)
        if text is not None:
            self.sources[file.owner] = SourceFile(file.display_path, data)
            if file.model is Allocations:
                self.lock = text
            else:
                self.parsed[file.owner] = validated_text(file.model, text)
        else:
            text = self._read_anew(file, data)
        if file.owner not in self.broken:
            self.texts[file.relative] = digest, text
        self.others[file.relative] = digest, text

    def _read_anew(self, file: File, data: bytes) -> str:
        content = read(file, data)
        self.sources[file.owner] = content.source
        self.problems += content.problems
        if content.model is not None:
            self.parsed[file.owner] = content.model
        if content.problems:
            self.broken.add(file.owner)
        return content.text

    def _take_rego(self, file: File, data: bytes) -> None:
        self.others[file.relative] = hashlib.sha256(data).hexdigest(), ""
        text = None if len(data) > MOST_BYTES else _text_in(data)
        if text is not None:
            self.rego.append(RegoFile(file.relative, text))
            return
        message, hint = (
            msg("{relative} is no text of at most {most_bytes} KiB", file.relative, MOST_BYTES // 1024),
            "write rules as UTF-8, and few",
        )
        self._problem(file, "rego-form", message, hint)

    def _take_encrypted(self, file: File, data: bytes) -> None:
        self.others[file.relative] = hashlib.sha256(data).hexdigest(), ""
        if not data.startswith(VAULT_MARK):
            message = msg("{owner}: the file is not encrypted", file.owner)
            hint = msg(
                "ansible-vault encrypt --encrypt-vault-id secrets {shown}; if it was ever committed in "
                "the clear, change the secrets in it: Git does not forget",
                file.display_path,
            )
            self._problem(file, "secret-not-encrypted", message, hint)
        elif file.carrier is not None and (under := _carrier_of_label(data)) not in {None, file.carrier}:
            message = msg("{owner}: it is encrypted under the vault id of the carrier {under}", file.owner, under)
            vault_ids = f"secrets-{file.carrier}, or secrets" if file.carrier else "secrets"
            hint = msg(
                "ansible-vault rekey --new-vault-id {whose}: that file is not {under}'s to open", vault_ids, under
            )
            self._problem(file, "secret-under-another-id", message, hint)

    def _report_duplicate(self, file: File) -> None:
        first = self.sources[file.owner].display_path
        self.broken.add(file.owner)
        message = msg(
            "{owner}: the id is used twice: in {first} and in {shown}",
            file.owner.replace("/", " ", 1),
            first,
            file.display_path,
        )
        hint = "give one of the two another id: a facility's id is unique in the whole inventory"
        position = OnDisk(file, _digest(file)).at(("id",))
        self.problems.append(Problem(*position, f"{file.kind}-id-duplicate", message, hint, file.owner))

    def _report_missing_files(self) -> None:
        for name in ("instructions", "designations"):
            if name not in self.sources:
                message, hint = (
                    msg("{name}.yml is missing", name),
                    msg("write {name}.yml; `provisioner schema {name_2}` prints its fields", name, name),
                )
                self._problem(File(self.root, f"{name}.yml", name, Model), "file-missing", message, hint)

    def _problem(self, file: File, code: str, message: str, hint: str) -> None:
        self.problems.append(Problem(file.display_path, 0, 0, code, message, hint, file.owner))

    def _result(self) -> Loaded:
        return Loaded(
            today=self.today,
            frame=self._base_inventory(),
            outlines=dict(sorted(self.outlines.items())),
            broken=frozenset(self.broken),
            problems=tuple(sorted(self.problems)),
            rule_problems=tuple(self.rule_problems),
            places=Places(self.sources),
            contents=self._content_digests,
            facilities=self._facilities,
            facility=self._facility,
            survey=self._survey,
            name=self._name,
            digests={f.relative: site.digest for f, site in self.sites} | {n: d for n, (d, _) in self.others.items()},
            problems_across=self.cached_sites.across,
        )

    def _facility(self, name: str) -> Facility:
        return validated_text(Facility, self._text(name))

    def _survey(self, name: str) -> Survey | None:
        survey = from_json(self._details_of(name)).get("survey")
        return None if survey is None else validated_text(Survey, as_json(survey))

    def _name(self, name: str) -> str:
        return str(from_json(self._details_of(name))["name"])

    def _details_of(self, name: str) -> str:
        file, site = self._by_name[name]
        if (details := site.details or self.cached_sites.details(file.relative, site.digest)) is None:
            text = self._text(name)
            details = details_of(from_json(text))
            self._rewrite_part(file.relative, site._replace(text=text))
        return details

    def _rewrite_part(self, relative: str, whole: Site) -> None:
        part = part_of(relative)
        if part not in self._mended:
            self._mended.add(part)
            sites = {file.relative: site for file, site in self.understood if part_of(file.relative) == part}
            self.cached_sites.keep(sites | {relative: whole}, {relative})

    def _text(self, name: str) -> str:
        file, site = self._by_name[name]
        return site.text or self.cached_sites.text(file.relative, site.digest) or text_of(file, site.digest)

    @cached_property
    def _by_name(self) -> dict[str, tuple[File, Site]]:
        return {site.outline.id: (file, site) for file, site in self.understood if site.outline}

    def _facilities(self) -> dict[str, Facility]:
        facilities = {}
        for text in self._site_texts().values():
            facility: Facility = validated_text(Facility, text)
            facilities[facility.id] = facility
        return dict(sorted(facilities.items()))

    def _site_texts(self) -> dict[str, str]:
        texts, again = {}, {}
        for file, site in self.understood:
            text = site.text or self.cached_sites.text(file.relative, site.digest)
            if text is None:
                text = text_of(file, site.digest)
                again[file.relative] = site._replace(text=text)
            texts[file.relative] = text
        self.cached_sites.keep({file.relative: site for file, site in self.understood} | again, again)
        return texts

    def _content_digests(self) -> dict[str, str]:
        of_other = self.cached_sites.content_of_other
        with without_collector():
            contents = {relative: of_other(relative, digest, text) for relative, (digest, text) in self.others.items()}
        return contents | {file.relative: site.content or site.digest for file, site in self.sites}

    def _base_inventory(self) -> BaseInventory | None:
        settings, lock = self.parsed.get("inventory"), self.parsed.get("allocations", Allocations())
        if not isinstance(settings, Settings) or not isinstance(lock, Allocations) or "allocations" in self.broken:
            return None
        signers = self.parsed.get("signers")
        lists: Document = {owner: getattr(self.parsed.get(owner), key, ()) for owner, key in _LISTS.items()}
        base_inventory = BaseInventory.model_construct(
            settings=settings,
            carriers=self._by_id(Carrier),
            centres=self._by_id(Centre),
            allocations=lock,
            signing_keys=signers if isinstance(signers, Signers) else None,
            rego=tuple(sorted(self.rego)),
            **lists,
        )
        if (text := self.lock) is not None:
            base_inventory.read_later(lambda: validated_text(Allocations, text))
        return base_inventory

    def _by_id(self, model: type[M]) -> dict[str, M]:
        values = {m.id: m for m in self.parsed.values() if isinstance(m, model)}  # type: ignore[attr-defined]
        return dict(sorted(values.items()))


def _refuse_without_settings(root: Path) -> None:
    if not (root / _SETTINGS).is_file():
        hint = "name the inventory's folder with -i DIR or PROVISIONER_INVENTORY"
        raise InventoryError(msg("{root} holds no inventory.yml", root), hint=hint)


def _text_in(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _carrier_of_label(data: bytes) -> str | None:
    """Return the carrier of the vault id in a file's first line."""
    # Done here, since `provisioner.base.vault` imports more libraries.
    *_, label = data.partition(b"\n")[0].decode("utf-8", "replace").strip().split(";")
    return label.removeprefix(_CARRIERS_ID) if label.startswith(_CARRIERS_ID) else None


def _under_own_facility(file: File, site: Site) -> tuple[Problem, ...]:
    facility = file.owner.partition("/")[2]
    if site.outline is None or site.outline.id == facility:
        return site.problems
    return tuple(replace(problem, concerns=(facility,)) for problem in site.problems)


def _digest(file: File) -> str:
    try:
        return hashlib.sha256(bytes_of(file)).hexdigest()
    except OSError:
        return ""
