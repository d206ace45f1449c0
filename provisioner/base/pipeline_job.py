"""Which system runs a pipeline's job, and what its runner says of the job in the environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class JobSystem(StrEnum):
    """A system whose jobs are told by their environment; Gitea's jobs are Forgejo's."""

    GITLAB = "gitlab"
    FORGEJO = "forgejo"
    GITHUB = "github"
    JENKINS = "jenkins"


@dataclass(frozen=True, slots=True)
class JobNames:
    """The variables in which a runner says what it runs. Others hold addresses with tokens: only these are read.

    Attributes:
        marks: each of them tells that the job is of this system.
        project: the project's path or name.
        number: the job's.
        login: the forge's own name of whoever began it.
    """

    marks: tuple[str, ...]
    project: str
    number: str
    login: str


JOB_NAMES: Final[Mapping[JobSystem, JobNames]] = {
    JobSystem.GITLAB: JobNames(("GITLAB_CI",), "CI_PROJECT_PATH", "CI_JOB_ID", "GITLAB_USER_LOGIN"),
    # Runners of Forgejo and Gitea set GitHub's names besides their own mark: they are looked for first.
    JobSystem.FORGEJO: JobNames(
        ("FORGEJO_ACTIONS", "GITEA_ACTIONS"), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"
    ),
    JobSystem.GITHUB: JobNames(("GITHUB_ACTIONS",), "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_ACTOR"),
    JobSystem.JENKINS: JobNames(("JENKINS_URL",), "JOB_NAME", "BUILD_NUMBER", "BUILD_USER_ID"),
}
"""By system, in the order in which they are looked for."""


def job_system(environment: Mapping[str, str]) -> JobSystem | None:
    """The system whose job this process is of; None outside of the ones that are known."""
    return next((one for one, names in JOB_NAMES.items() if any(map(environment.get, names.marks))), None)
