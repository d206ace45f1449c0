"""Who runs the program, for the record: the user of this machine, and the pipeline's job where there is one."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Mapping

# By system: the variable that is set by it, and those that name the job. Addresses may hold tokens: only ids are read.
_JOBS = (
    ("gitlab", "GITLAB_CI", ("CI_PROJECT_PATH", "CI_JOB_ID")),
    ("github", "GITHUB_ACTIONS", ("GITHUB_REPOSITORY", "GITHUB_RUN_ID")),
    ("jenkins", "JENKINS_URL", ("JOB_NAME", "BUILD_NUMBER")),
)
_LOGINS = (("GITLAB_CI", "GITLAB_USER_LOGIN"), ("GITHUB_ACTIONS", "GITHUB_ACTOR"), ("JENKINS_URL", "BUILD_USER_ID"))
"""By the variable that a system sets: the one in which it says who began the job."""
_LENGTH = 120


def who(environment: Mapping[str, str]) -> dict[str, str]:
    """The user, the machine, and the job as `system:project#number`, empty outside a pipeline."""
    return {"user": _user(), "machine": _clean(platform.node()), "job": _job(environment)}


def login(environment: Mapping[str, str]) -> str:
    """The name at the forge of whoever began the pipeline's job, by the forge's own word; empty where there is none."""
    names = (environment.get(name, "") for marker, name in _LOGINS if environment.get(marker))
    return next((_clean(name) for name in names if name), "")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _job(environment: Mapping[str, str]) -> str:
    for system, marker, names in _JOBS:
        if environment.get(marker):
            return f"{system}:{'#'.join(_clean(environment.get(name, '')) for name in names)}"
    return "ci:unnamed" if environment.get("CI") else ""


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_LENGTH]


def who_text(who: Mapping[str, str]) -> str:
    """Who changes hosts in one line, for leases and receipts."""
    job = f" ({who['job']})" if who.get("job") else ""
    return f"{who.get('user', '')}@{who.get('machine', '')}{job}"
