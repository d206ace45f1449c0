"""The files of `pipelines/`: by the published schemas of the systems that read them, and by what nobody may add."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.cli.main import run
from tests.pipelines.runner import ROOT

FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "pipelines").glob("*/*") if path.suffix == ".yml")
ACTIONS = [name for name in FILES if "/gitlab/" not in name]
# What GitHub's runner writes into a script before a shell reads it: of these a request decides nothing.
OURS = re.compile(r"^(?:secrets|vars)\.\w+$|^github\.(?:token|event\.number)$|^inputs\.\w+$|^job\.status$")


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_every_system_has_its_files() -> None:
    works = {"inventory-request", "inventory-plan", "inventory-apply", "inventory-nightly"}
    for system in ("github", "forgejo"):
        assert {Path(name).stem for name in FILES if f"/{system}/" in name} == works
    assert {"check", "tell", "plan", "apply", "nightly"} <= set(workflow("pipelines/gitlab/inventory.gitlab-ci.yml"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_of_its_systems_published_schema(name: str) -> None:
    # Forgejo publishes none: its workflows are worded as GitHub's.
    schema = "vendor.gitlab-ci" if "/gitlab/" in name else "vendor.github-workflows"
    transform = ["--data-transform", "gitlab-ci"] if "/gitlab/" in name else []
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *transform, name]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ACTIONS)
def test_no_words_of_a_request_stand_in_a_script(name: str) -> None:
    for job in workflow(name)["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), "what a request says goes through the environment"
            for words in step.get("env", {}).values():
                assert all(OURS.match(one) for one in re.findall(r"\$\{\{ *(.*?) *\}\}", str(words)))


@pytest.mark.parametrize("name", ACTIONS)
def test_jobs_that_read_a_request_have_no_secret_and_those_that_have_run_nothing_of_it(name: str) -> None:
    document = workflow(name)
    assert "pull_request" not in (document.get("on") or document[True]), "a request would bring its own workflow"
    if name.startswith("pipelines/github/"):
        assert document["permissions"] == {}
        for job in document["jobs"].values():
            rights = job["permissions"]
            assert "write-all" not in rights
            read_only = set(rights.values()) == {"read"}
            unsafe = any(step.get("with", {}).get("allow-unsafe-pr-checkout") for step in job["steps"])
            assert not unsafe or (read_only and "secrets." not in str(job) and "github.token" not in str(job))


@pytest.mark.parametrize("name", [name for name in FILES if "/forgejo/" in name and "request" not in name])
def test_a_job_with_secrets_runs_to_its_end_and_leaves_none_if_it_is_killed(name: str) -> None:
    """Gitea 1.25.4 killed a job at the next push: no trap ran, and the runner removed its folder."""
    document = workflow(name)
    assert document["concurrency"] == {"group": "inventory", "cancel-in-progress": False}
    for step in (
        step for job in document["jobs"].values() for step in job["steps"] if "SSH_KEY" in step.get("env", {})
    ):
        assert 'own=$(mktemp -d -p "$RUNNER_TEMP")' in step["run"]


@pytest.mark.parametrize("name", FILES)
def test_every_command_is_one_that_there_is(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    calls = re.findall(r"^\s*(?:- |run: )?(?:'\[.*?\] \|\| )?(provisioner .*?)(?: >| \|\||'?$)", text, re.MULTILINE)
    assert calls
    for call in calls:
        words = [word for word in re.findall(r'"[^"]*"|\S+', call)[1:] if not word.startswith('"$')]
        options = [word for word in words if word.startswith("--")]
        names = [word for word in words if re.fullmatch(r"[a-z]+", word) and word not in {"json", "markdown"}]
        depth = 2 if names[0] == "forge" or names[:2] in (["plan", "push"], ["plan", "fetch"]) else 1
        shown = io.StringIO()
        with redirect_stdout(shown):
            assert run(["--help"], {}) == run([*names[:depth], "--help"], {}) == 0, call
        assert all(option in shown.getvalue() for option in options), call
