"""Which project of which forge is meant: from a pipeline's own environment, or as a person says it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.pipeline_job import job_system
from provisioner.base.url import checked_url

_COMMIT: Final = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_OWNED: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9_.-]+$")
_GITLAB_PROJECT: Final = re.compile(r"^(?:[0-9]+|[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+)$")
_PULL_REF: Final = re.compile(r"^refs/pull/([0-9]{1,9})/(?:merge|head)$")
_NUMBER: Final = re.compile(r"^[1-9][0-9]{0,8}$")
_HINTS: Final = {
    "project": "write --project OWNER/NAME, or for GitLab its number",
    "url": "write --url with the address of its API, e.g. https://gitlab.example.com/api/v4",
}


class ForgeKind(StrEnum):
    """Whose API is spoken: Gitea's is Forgejo's."""

    GITHUB = "github"
    GITLAB = "gitlab"
    FORGEJO = "forgejo"


@dataclass(frozen=True, slots=True)
class ForgePlace:
    """One project of one forge.

    Attributes:
        kind: whose API it speaks.
        url: the address of its API, without a slash at the end.
        project: OWNER/NAME; for GitLab its number, or its full path.
    """

    kind: ForgeKind
    url: str
    project: str


def place_of(environment: Mapping[str, str], *, kind: str = "", url: str = "", project: str = "") -> ForgePlace:
    """The project that is meant: what is said, then `PROVISIONER_FORGE…`, then what the pipeline's runner set.

    Args:
        environment: of the process. GitLab's runner sets `GITLAB_CI`, `CI_API_V4_URL` and `CI_PROJECT_ID`; GitHub's
            `GITHUB_ACTIONS`, `GITHUB_API_URL` and `GITHUB_REPOSITORY`; those of Forgejo and Gitea the same, and
            `FORGEJO_ACTIONS` or `GITEA_ACTIONS`.
        kind: of the forge.
        url: of its API.
        project: its name there.

    Raises:
        UsageError: something is not known, or may not be called.
    """
    runner = _runner_in(environment)
    named = kind or environment.get("PROVISIONER_FORGE", "") or runner
    if not named:
        hint = f"write --forge, or PROVISIONER_FORGE: one of {', '.join(ForgeKind)}"
        raise UsageError("it is not known which forge is meant: this is no pipeline of one", hint=hint)
    if named not in set(ForgeKind):
        raise UsageError(f"{named!r} is no forge that is known", hint=f"it is one of {', '.join(ForgeKind)}")
    forge = ForgeKind(named)
    # What a runner of one forge set says nothing about another one.
    own = environment if forge == runner else {}
    address = url or environment.get("PROVISIONER_FORGE_URL", "") or _url_in(own, forge)
    where = project or environment.get("PROVISIONER_FORGE_PROJECT", "") or _project_in(own, forge)
    if not address:
        raise UsageError("it is not known where the forge's API is", hint=_HINTS["url"])
    if not where:
        raise UsageError("it is not known which project of the forge is meant", hint=_HINTS["project"])
    return ForgePlace(forge, _checked_address(address), _checked_project(where, forge))


def request_number(environment: Mapping[str, str], given: str = "") -> int:
    """The merge request's number: as it is said, or of the pipeline that runs for it.

    Raises:
        UsageError: it is not known.
    """
    pull = _PULL_REF.match(environment.get("GITHUB_REF", ""))
    number = given or environment.get("CI_MERGE_REQUEST_IID", "") or (pull[1] if pull else "")
    if not _NUMBER.match(number):
        what = f"{number!r} is no merge request's number" if number else "it is not known which merge request is meant"
        raise UsageError(what, hint="write --request NUMBER")
    return int(number)


def commit_id(environment: Mapping[str, str], given: str = "") -> str:
    """The whole id of the commit: as it is said, or the one that the pipeline runs for.

    Raises:
        UsageError: it is not known.
    """
    commit = given or environment.get("CI_COMMIT_SHA", "") or environment.get("GITHUB_SHA", "")
    if not _COMMIT.match(commit):
        what = f"{commit!r} is no whole id of a commit" if commit else "it is not known which commit is meant"
        raise UsageError(what, hint="write --commit $(git rev-parse HEAD)")
    return commit


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
    known = _GITLAB_PROJECT if kind is ForgeKind.GITLAB else _OWNED
    if not known.match(project) or ".." in project:
        raise UsageError(f"{project!r} is no project of a forge", hint=_HINTS["project"])
    return project
