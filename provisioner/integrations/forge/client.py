"""Client of one forge project, for its merge requests.

Calls are retried if that may help; a failed call raises `NoticeError`. A merge request gets one comment that is
rewritten, labels of one family, and a commit status.
"""

import hmac
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

from provisioner.base import http
from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.secret import Secret
from provisioner.base.service import job_system
from provisioner.base.text import checked_url, printable
from provisioner.integrations.forge import dialects

_COMMIT: Final = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_OWNED: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_.-]+$")
_GITLAB_PROJECT: Final = re.compile(r"^(?:[0-9]+|[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+)$")
_PULL_REF: Final = re.compile(r"^refs/pull/([0-9]{1,9})/(?:merge|head)$")
_NUMBER: Final = re.compile(r"^[1-9][0-9]{0,8}$")
_HINTS: Final = {
    "project": "write --project OWNER/NAME, or for GitLab its number",
    "url": "write --url with the address of its API, e.g. https://gitlab.example.com/api/v4",
}
_MOST_BYTES: Final = 16 * 1024 * 1024
_ADVICE: Final = http.Advice("PROVISIONER_FORGE_URL", "the token in PROVISIONER_FORGE_TOKEN, with its rights,")

_REFUSED: Final = frozenset({400, 409, 422})
_MOST_REFUSAL: Final = 64 * 1024
_LONGEST_WORDS: Final = 200
_PROOF_DIGITS: Final = 32

_MOST_PAGES: Final = 50  #: The most pages of comments to read: 5,000 comments.

_COLOURS: Final = {"none": "#2da44e", "hot": "#2da44e", "path": "#d4a72c", "all": "#cf222e"}
_OTHER_COLOUR: Final = "#6e7781"


class ForgeKind(StrEnum):
    """The kind of API; Gitea has Forgejo's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    FORGEJO = "forgejo"


@dataclass(frozen=True, slots=True)
class ForgeProject:
    """One project of one forge: OWNER/NAME, or GitLab's number or path."""

    kind: ForgeKind
    url: str
    project: str


_DIALECTS: Final[Mapping[ForgeKind, Callable[[str], dialects.Dialect]]] = {
    ForgeKind.GITHUB: dialects.GitHub,
    ForgeKind.GITLAB: dialects.GitLab,
    ForgeKind.FORGEJO: dialects.Forgejo,
}


class _TooMuchError(NoticeError):
    """An answer was cut."""


class RefusedCallError(NoticeError):
    """The forge refused a call, and would refuse it again."""


class ForgeClient:
    """A client of one project with its token."""

    def __init__(self, place: ForgeProject, token: Secret, patience: http.HttpLimits) -> None:
        self.place = place
        self.dialect: dialects.Dialect = _DIALECTS[place.kind](place.project)
        self._token = token
        self._patience = patience
        self.read_bytes = 0

    def ask(self, call: dialects.Call) -> object:
        """Send a call; return its JSON answer, `None` if empty or accepted."""
        answer = self._send_call(call)
        self.read_bytes += len(answer.body)
        if answer.is_cut:
            reason, hint = "it answers more than any merge request has", "see what stands at that address"
            raise self.refusal(reason, hint, _TooMuchError)
        if not answer.body.strip() or answer.status in call.accepted:
            return None
        try:
            document: object = orjson.loads(answer.body)
        except ValueError:
            raise self.refusal("its answer is no JSON", "see that PROVISIONER_FORGE_URL is its API's address") from None
        return document

    def account(self) -> str:
        """Return the token's account, or "" if the forge does not tell."""
        return dialects.account_in(self.ask(self.dialect.account()))

    def proof_of(self, number: int, key: str) -> str:
        """Return the token holder's proof for a key's comment."""
        message = f"comment\0{self.place.url}\0{self.place.project}\0{number}\0{key}"
        return hmac.digest(self._token.reveal().encode(), message.encode(), "sha256").hex()[:_PROOF_DIGITS]

    def tell(self, call: dialects.Call) -> None:
        """Send a call and ignore the answer."""
        self._send_call(call)

    def _send_call(self, call: dialects.Call) -> http.HttpAnswer:
        body = b"" if call.document is None else json.dumps(call.document, ensure_ascii=False).encode()

        def attempt(seconds: float) -> http.HttpAnswer:
            answer = self._exchange(call.method, call.path, body, seconds)
            if answer.status in call.accepted:
                return answer
            try:
                return http.successful_answer(answer, _ADVICE)
            except http.ReachError as error:
                if call.of and (answer.status == http.NOT_FOUND or answer.status >= http.FIRST_OF_SERVER):
                    self._refuse_missing(call.of, seconds)
                reason = f"{error.reason}{self._words_in(answer)}"
                raise http.ReachError(reason, error.hint, lasting=error.lasting, status=error.status) from None

        try:
            return http.try_often(attempt, self._patience).value
        except http.ReachError as error:
            kind = RefusedCallError if error.status in _REFUSED else NoticeError
            raise self.refusal(error.reason, error.hint, kind) from None

    def _exchange(self, method: str, path: str, body: bytes, seconds: float) -> http.HttpAnswer:
        headers = self.dialect.headers(self._token)
        request = http.Request(method, f"{self.place.url}{path}", body, headers, most_bytes=_MOST_BYTES)
        return http.exchange(request, seconds=seconds, advice=_ADVICE, authorities=self._patience.authorities)

    def _refuse_missing(self, path: str, seconds: float) -> None:
        """Raise an error if the merge request or commit is missing."""
        # Forgejo 7.0.8 and Gitea 1.25.4 answer 500 to some calls of a missing one.
        if self._exchange("GET", path, b"", seconds).status == http.NOT_FOUND:
            what, name = "commit" if "/commits/" in path else "merge request", path.rpartition("/")[2]
            raise http.ReachError(f"it has no {what} {name}", "see --request, --commit and --project", lasting=True)

    def _words_in(self, answer: http.HttpAnswer) -> str:
        """Return a refusal's own words, in quotes, or empty."""
        try:
            document = orjson.loads(answer.body[:_MOST_REFUSAL])
        except ValueError:
            return ""
        words = document.get("message") or document.get("error") if isinstance(document, dict) else None
        if not isinstance(words, str) or self._token.reveal() in words:
            return ""
        return f", and says: {printable(' '.join(words.split()), _LONGEST_WORDS)}" if words.strip() else ""

    def refusal(self, reason: str, hint: str, kind: type[NoticeError] = NoticeError) -> NoticeError:
        """Return the error of a call."""
        place = f"{self.place.kind} project {self.place.project}"
        return kind(f"{place} was not told: {reason}", hint=hint, object=self.place.project)


class Posted(StrEnum):
    """The result of posting a comment."""

    ADDED = "added"
    EDITED = "edited"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Labelled:
    """The added and the removed labels."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def project_of(environment: Mapping[str, str], *, kind: str = "", url: str = "", project: str = "") -> ForgeProject:
    """Return the project from arguments, `PROVISIONER_FORGE…`, or the runner.

    GitLab's runner sets `GITLAB_CI`, `CI_API_V4_URL` and `CI_PROJECT_ID`. GitHub's sets `GITHUB_ACTIONS`,
    `GITHUB_API_URL` and `GITHUB_REPOSITORY`. Those of Forgejo and Gitea set the same, and `FORGEJO_ACTIONS` or
    `GITEA_ACTIONS`. Raises `UsageError` if a value is unknown, or must not be called.
    """
    runner = _runner_in(environment)
    named = kind or environment.get("PROVISIONER_FORGE", "") or runner
    if not named:
        hint = f"write --forge, or PROVISIONER_FORGE: one of {', '.join(ForgeKind)}"
        raise UsageError("it is not known which forge is meant: this is no pipeline of one", hint=hint)
    if named not in set(ForgeKind):
        raise UsageError(f"{named!r} is no forge that is known", hint=f"it is one of {', '.join(ForgeKind)}")
    forge = ForgeKind(named)
    # Variables of one forge's runner do not apply to another forge.
    runner_env = environment if forge == runner else {}
    address = url or environment.get("PROVISIONER_FORGE_URL", "") or _url_in(runner_env, forge)
    path = project or environment.get("PROVISIONER_FORGE_PROJECT", "") or _project_in(runner_env, forge)
    if not address:
        raise UsageError("it is not known where the forge's API is", hint=_HINTS["url"])
    if not path:
        raise UsageError("it is not known which project of the forge is meant", hint=_HINTS["project"])
    return ForgeProject(forge, _checked_address(address), _checked_project(path, forge))


def _runner_in(environment: Mapping[str, str]) -> str:
    system = job_system(environment)
    return str(system) if system and system in {str(kind) for kind in ForgeKind} else ""


def _url_in(environment: Mapping[str, str], kind: ForgeKind) -> str:
    match kind:
        case ForgeKind.GITLAB:
            return environment.get("CI_API_V4_URL", "")
        case ForgeKind.GITHUB:
            return environment.get("GITHUB_API_URL", "") or "https://api.github.com"
        case ForgeKind.FORGEJO:
            server = environment.get("GITHUB_SERVER_URL", "")
            return environment.get("GITHUB_API_URL", "") or (f"{server.rstrip('/')}/api/v1" if server else "")


def _project_in(environment: Mapping[str, str], kind: ForgeKind) -> str:
    return environment.get("CI_PROJECT_ID" if kind is ForgeKind.GITLAB else "GITHUB_REPOSITORY", "")


def _checked_address(address: str) -> str:
    try:
        return checked_url(address).rstrip("/")
    except ValueError as error:
        raise UsageError(f"the address of the forge's API may not be called: {error}", hint=_HINTS["url"]) from None


def _checked_project(project: str, kind: ForgeKind) -> str:
    pattern = _GITLAB_PROJECT if kind is ForgeKind.GITLAB else _OWNED
    if not pattern.match(project) or ".." in project:
        raise UsageError(f"{project!r} is no project of a forge", hint=_HINTS["project"])
    return project


def request_number(environment: Mapping[str, str], option: str = "") -> int:
    """Return the given or pipeline's merge request, or raise `UsageError`."""
    pull = _PULL_REF.match(environment.get("GITHUB_REF", ""))
    number = option or environment.get("CI_MERGE_REQUEST_IID", "") or (pull[1] if pull else "")
    if not _NUMBER.match(number):
        message = (
            f"{number!r} is no merge request's number" if number else "it is not known which merge request is meant"
        )
        raise UsageError(message, hint="write --request NUMBER")
    return int(number)


def commit_id(environment: Mapping[str, str], option: str = "") -> str:
    """Return the given or pipeline's whole commit id, or raise `UsageError`."""
    commit = option or environment.get("CI_COMMIT_SHA", "") or environment.get("GITHUB_SHA", "")
    if not _COMMIT.match(commit):
        message = f"{commit!r} is no whole id of a commit" if commit else "it is not known which commit is meant"
        raise UsageError(message, hint="write --commit $(git rev-parse HEAD)")
    return commit


def post_comment(client: ForgeClient, number: int, key: str, text: str, account: str = "") -> Posted:
    """Write the comment of a key, or replace it.

    Anyone who may comment can write the same marker, and the token can often edit others' comments. So only a comment
    of the token's own account counts (`account`, if given), or, if the forge does not tell it, one with a proof: an
    HMAC under the token, over project, request and key. A copied proof stands behind ours, and the oldest counts.
    """
    own = account or client.account()
    proof = "" if own else client.proof_of(number, key)
    ours = _own_comment(client, number, key, own or client.dialect.runner, proof)
    marker = f"<!-- provisioner:{key} {proof}-->" if proof else f"<!-- provisioner:{key} -->"
    body = f"{marker}\n{text}"
    if ours is None:
        client.tell(client.dialect.add_comment(number, body))
        return Posted.ADDED
    if ours.body.partition("\n")[2].rstrip() == text.rstrip():
        return Posted.UNCHANGED
    client.tell(client.dialect.edit_comment(number, ours.id, body))
    return Posted.EDITED


def _own_comment(client: ForgeClient, number: int, key: str, account: str, proof: str) -> dialects.PostedComment | None:
    """Return a key's oldest comment by an account or with a proof."""
    marker = f"<!-- provisioner:{key} "
    for page in range(1, _MOST_PAGES + 1):
        try:
            listed = client.ask(client.dialect.comments(number, page))
        except _TooMuchError:
            # Somebody's comments are that large: ours is written anew.
            break
        for comment in dialects.comments_in(listed):
            is_proved = bool(proof) and comment.body.startswith(f"{marker}{proof}")
            if is_proved or (comment.author == account and comment.body.startswith(marker)):
                return comment
        # No forge sends a longer page. Fifty large ones would cost seconds; then our comment counts as missing.
        is_page = isinstance(listed, list) and 0 < len(listed) <= dialects.PAGE
        if not client.dialect.pages or not is_page or client.read_bytes > _MOST_BYTES:
            break
    return None


def set_labels(client: ForgeClient, number: int, family: str, wanted: Collection[str]) -> Labelled:
    """Set a merge request's labels of a family, e.g. `plan:`."""
    dialect = client.dialect
    present = dialect.labels_in(client.ask(dialect.labels(number)))
    add = tuple(sorted(set(wanted) - set(present)))
    removed = {name: label for name, label in present.items() if name.startswith(family) and name not in wanted}
    known = _label_keys(client, family, add)
    for call in dialect.change_labels(number, [known[name] for name in add], list(removed.values())):
        client.tell(call)
    return Labelled(add, tuple(sorted(removed)))


def _label_keys(client: ForgeClient, family: str, names: Collection[str]) -> dict[str, str]:
    """Return labels' keys by name; make the missing labels."""
    dialect, known = client.dialect, dict[str, str]()
    if not isinstance(dialect, dialects.Forgejo):  # other forges make missing labels by themselves
        return {name: name for name in names}
    for page in range(1, _MOST_PAGES + 1):
        if not set(names) - set(known):
            break
        listed = dialect.labels_in(client.ask(dialect.listed_labels(page)))
        if not listed:
            break
        known |= listed
    for name in sorted(set(names) - set(known)):
        call = dialect.make_label(name, _COLOURS.get(name.removeprefix(family), _OTHER_COLOUR))
        known |= dialect.labels_in([client.ask(call)])
        if name not in known:
            raise client.refusal("it made a label and does not tell which", "see the project's labels")
    return known


def set_status(client: ForgeClient, status: dialects.CommitStatus) -> None:
    """Set a commit's status."""
    client.tell(client.dialect.set_status(status))


def plan_labels(document: Mapping[str, object], family: str) -> tuple[str, ...]:
    """Return labels of a plan's worst impact, and of facts for people."""
    summary = document.get("summary")
    counted = summary.get("impact") if isinstance(summary, dict) else None
    impacts = counted if isinstance(counted, dict) else {}
    worst = [name for name in ("all", "path", "hot", "none") if impacts.get(name)]
    names = worst[:1]
    if isinstance(summary, dict) and summary.get("trust"):
        names.append("trust")
    names += [name for name in ("refused", "held", "unreadable") if document.get(name)]
    return tuple(family + name for name in names or ["no-change"])
