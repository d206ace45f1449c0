"""Templates for requests and settings of tools: they parse, and the files that they name are there."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import ROOT, text_of

FORMS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(".github/**/*.yml"))
SETTINGS = [*FORMS, ".pre-commit-config.yaml", ".github/renovate.json", ".editorconfig"]
REQUESTS = (".github/pull_request_template.md", ".gitlab/merge_request_templates/Default.md")
_PATH = re.compile(r"(?<![\w./-])((?:scripts|inventories|tests|docs|provisioner)/[\w/.-]*\w|[A-Z]+\.md)")


def parsed(path: str) -> Any:
    return json.loads(text_of(path)) if path.endswith(".json") else yaml.safe_load(text_of(path))


@pytest.mark.parametrize("path", [path for path in SETTINGS if path != ".editorconfig"])
def test_it_parses_to_a_mapping(path: str) -> None:
    assert isinstance(parsed(path), dict)


@pytest.mark.parametrize("path", SETTINGS)
def test_the_files_that_it_names_are_there(path: str) -> None:
    text = text_of(path).replace("tests/{golden,cases}", "tests/golden")
    patterns = (name for name in _PATH.findall(text) if "*" not in name)
    assert [name for name in patterns if not (ROOT / name).exists()] == []


def test_every_hook_calls_a_tool_of_the_lint_script() -> None:
    lint = text_of("scripts/lint")
    (local,) = parsed(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local", "a hook from elsewhere needs the network"
    entries = {hook["entry"].removeprefix("env ").removesuffix(" --force-exclude") for hook in local["hooks"]}
    assert [entry for entry in entries if f"{entry}\n" not in lint and f"{entry} .\n" not in lint] == []
    assert len(entries) == lint.count(".venv/bin/")


def test_both_forges_ask_the_same_of_a_request() -> None:
    assert len({text_of(path) for path in REQUESTS}) == 1


@pytest.mark.parametrize("form", [path for path in FORMS if not path.endswith("config.yml")])
def test_a_form_has_what_a_forge_asks_for(form: str) -> None:
    content = parsed(form)
    assert {"name", "description", "body"} <= set(content)
    names = [part["id"] for part in content["body"] if part["type"] != "markdown"]
    assert len(set(names)) == len(names) > 0
    assert all(part["attributes"].get("label") for part in content["body"] if part["type"] != "markdown")


def test_files_are_as_the_editors_are_told() -> None:
    """What .editorconfig says of every file: UTF-8, no space at an end of a line, one line feed at the end."""
    assert [str(path.relative_to(ROOT)) for path in _texts() if not _is_tidy(path.read_bytes())] == []


def _texts() -> list[Path]:
    exempt = (ROOT / "tests/golden", ROOT / "tests/cases")
    top = ("provisioner", "playbooks", "mediamtx-templates", "inventories", "tests", "scripts", "docs")
    paths = [path for folder in top for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.*"))
    suffixes = {".py", ".md", ".yml", ".j2", ".json", ".toml", ".sh", ""}
    texts = [path for path in paths if path.is_file() and path.suffix in suffixes and path.parent.name != "__pycache__"]
    return [path for path in texts if not path.is_relative_to(exempt[0]) and not path.is_relative_to(exempt[1])]


def _is_tidy(content: bytes) -> bool:
    text = content.decode("utf-8")
    untidy = re.search(r"[ \t]+$", text, re.MULTILINE) or "\r" in text
    return not content or (not untidy and text.endswith("\n") and not text.endswith("\n\n"))


_SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())


@pytest.mark.parametrize("script", _SCRIPTS, ids=lambda path: str(path.name))
def test_a_script_can_be_run_and_is_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
