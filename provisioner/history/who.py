"""Who runs the program, for the record: the user of this machine, and the pipeline's job where there is one."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Mapping

from provisioner.base.pipeline_job import JOB_NAMES, job_system

_LENGTH = 120


def who(environment: Mapping[str, str]) -> dict[str, str]:
    """The user, the machine, and the job as `system:project#number`, empty outside a pipeline."""
    return {"user": _user(), "machine": _clean(platform.node()), "job": _job(environment)}


def login(environment: Mapping[str, str]) -> str:
    """The name at the forge of whoever began the pipeline's job, by the forge's own word; empty where there is none."""
    system = job_system(environment)
    return _clean(environment.get(JOB_NAMES[system].login, "")) if system else ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _job(environment: Mapping[str, str]) -> str:
    system = job_system(environment)
    if system is None:
        return "ci:unnamed" if environment.get("CI") else ""
    names = JOB_NAMES[system]
    return f"{system}:{'#'.join(_clean(environment.get(name, '')) for name in (names.project, names.number))}"


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_LENGTH]


def who_text(who: Mapping[str, str]) -> str:
    """Who changes hosts in one line, for leases and receipts."""
    job = f" ({who['job']})" if who.get("job") else ""
    return f"{who.get('user', '')}@{who.get('machine', '')}{job}"
