"""A small runner: the jobs and steps of a workflow of GitHub or Forgejo, and of a file of GitLab, as they stand there.

It knows what the files of `pipelines/` use, and fails at everything else: expressions of contexts, conditions on how
it went before, the checkout, artefacts, files of variables.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.pipelines.git_server import environment_of, git
from tests.pipelines.program import Program

ROOT: Final = Path(__file__).parents[2]
_EXPRESSION: Final = re.compile(r"\$\{\{ *([^}]*?) *\}\}")
_VARIABLE: Final = re.compile(r"\$(\w+)|\$\{(\w+)\}")


@dataclass
class Run:
    """One run of a pipeline."""

    program: Program  #: What its shells call.
    folder: Path  #: Where runners work; each job has a folder in it.
    repository: str  #: The address of the repository.
    context: Mapping[str, str]  #: What expressions say, by their names: `secrets.X`, `github.event.number`.
    environment: Mapping[str, str]  #: What the runner sets for every step.
    jobs: dict[str, bool] = field(default_factory=dict)  #: How each job that ran ended.
    artefacts: dict[str, Path] = field(default_factory=dict)  #: What jobs left, by name.

    def workflow(self, path: str) -> bool:
        """Run the jobs of a workflow, one after another: whether all went well."""
        document = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
        for name, job in document["jobs"].items():
            needed = self.jobs.get(job.get("needs", ""), True)
            if needed or job.get("if") == "${{ !cancelled() }}":
                work = self.folder / name
                work.mkdir(parents=True)
                self.jobs[name] = _ActionsJob(self, work, {**document.get("env", {}), **job.get("env", {})}).steps(job)
        return all(self.jobs.values())

    def gitlab(self, path: str, variables: Mapping[str, str], checkout: str) -> bool:
        """Run the jobs of a file of GitLab whose rules hold: whether all went well.

        Args:
            path: the file.
            variables: those of the pipeline and of the project.
            checkout: the reference that is checked out.
        """
        document = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
        own = {name: one["value"] if isinstance(one, dict) else one for name, one in document["variables"].items()}
        given = own | dict(variables)
        given = {name: _expanded(value, given) for name, value in given.items()}
        assert any(_holds(rule["if"], given) for rule in document["workflow"]["rules"])
        for name, job in document.items():
            if (
                not isinstance(job, dict)
                or "script" not in job
                or not any(_holds(r["if"], given) for r in job["rules"])
            ):
                continue
            when = next(rule.get("when", "on_success") for rule in job["rules"] if _holds(rule["if"], given))
            if when == "always" or all(self.jobs.get(one, True) for one in job.get("needs", ())):
                self.jobs[name] = self._gitlab_job(name, job, given | job.get("variables", {}), checkout)
        return all(self.jobs.values())

    def _gitlab_job(self, name: str, job: dict[str, Any], given: Mapping[str, str], checkout: str) -> bool:
        work = self.folder / name
        work.mkdir(parents=True)
        if given.get("GIT_STRATEGY") != "none":
            _check_out(work, self.repository, checkout)
        for needed in job.get("needs", ()):
            shutil.copytree(self.artefacts[needed], work, dirs_exist_ok=True)
        environment = environment_of(self.folder / "home", {**self.environment, **given})
        # GitLab joins the lines of a script: what one of them sets the next one has.
        code = self.program.shell("\n".join(job["script"]), work, environment)
        status = {"CI_JOB_STATUS": "failed" if code else "success"}
        if after := job.get("after_script"):
            self.program.shell("\n".join(after), work, environment | status)
        kept = self.artefacts[name] = self.folder / f"{name}.artefacts"
        kept.mkdir()
        named = job.get("artifacts", {})
        for one in [*named.get("paths", ()), *named.get("reports", {}).values()]:
            if (work / one).is_file():
                shutil.copy(work / one, kept / one)
        return code == 0


@dataclass
class _ActionsJob:
    """One job of GitHub's or Forgejo's."""

    run: Run
    work: Path
    variables: Mapping[str, str]
    went_well: bool = True

    def steps(self, job: dict[str, Any]) -> bool:
        own = self.work.parent / f"{self.work.name}.runner"
        (own / "temp").mkdir(parents=True)
        variables_file = own / "env"
        variables_file.touch()
        for step in job["steps"]:
            condition = step.get("if", "${{ success() }}")
            assert condition in {"${{ success() }}", "${{ !cancelled() }}", "${{ always() }}"}, condition
            if not self.went_well and "success" in condition:
                continue
            written = dict(line.split("=", 1) for line in variables_file.read_text(encoding="utf-8").splitlines())
            of_runner = {
                "GITHUB_ENV": str(variables_file),
                "GITHUB_WORKSPACE": str(self.work),
                "RUNNER_TEMP": str(own / "temp"),
            }
            said = self._said({**self.variables, **step.get("env", {})})
            environment = environment_of(
                self.run.folder / "home", {**self.run.environment, **of_runner, **written, **said}
            )
            if "uses" in step:
                self._use(step["uses"], {key: self._word(str(value)) for key, value in step.get("with", {}).items()})
            elif self.run.program.shell(self._word(step["run"]), self.work, environment):
                self.went_well = False
        assert not list((own / "temp").iterdir()), "a secret, or a plan, is left on the runner"
        return self.went_well

    def _said(self, variables: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._word(str(value)) for name, value in variables.items()}

    def _word(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] == "job.status":
                return "success" if self.went_well else "failure"
            return self.run.context[match[1]]

        return _EXPRESSION.sub(value, text)

    def _use(self, action: str, words: Mapping[str, str]) -> None:
        name, _, pin = action.partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", pin), f"{name} is not pinned"
        match name:
            case "actions/checkout":
                assert words.get("fetch-depth") == "0" or "ref" not in words
                folder = self.work / words.get("path", ".")
                _check_out(folder, self.run.repository, words.get("ref", "refs/heads/main"))
                if words.get("persist-credentials") != "False":
                    login = self.run.context["github.token.basic"]
                    git(folder, "config", "http.extraHeader", f"Authorization: Basic {login}")
            case "actions/upload-artifact":
                kept = self.run.artefacts[words["name"]] = self.work.parent / f"{words['name']}.artefacts"
                kept.mkdir()
                for one in words["path"].split():
                    if (self.work / one).is_file():
                        shutil.copy(self.work / one, kept / one)
                    elif (self.work / one).is_dir():
                        shutil.copytree(self.work / one, kept / one)
                assert list(kept.iterdir()) or words.get("if-no-files-found") == "ignore"
            case "actions/download-artifact":
                shutil.copytree(self.run.artefacts[words["name"]], self.work, dirs_exist_ok=True)
            case "github/codeql-action/upload-sarif":
                assert (self.work / words["sarif_file"]).is_file()
            case _:
                raise AssertionError(f"nobody knows {action}")


def _check_out(folder: Path, repository: str, reference: str) -> None:
    """Check a reference out with all branches, as runners do."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", ".")
    git(folder, "remote", "add", "origin", repository)
    git(folder, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", f"+{reference}:refs/here")
    git(folder, "checkout", "-q", "--detach", "refs/here")


def _expanded(value: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), value)


def _holds(condition: str, variables: Mapping[str, str]) -> bool:
    """Whether a condition of GitLab's holds: comparisons of variables and words, joined by `&&`."""
    for part in condition.split(" && "):
        left, sign, right = part.partition(" == ") if " == " in part else part.partition(" != ")
        values = [
            variables.get(word[1:], "") if word.startswith("$") else word.strip('"') for word in (left, right.strip())
        ]
        if (values[0] == values[1]) != (sign.strip() == "=="):
            return False
    return True
