"""The site of every test."""

from pathlib import Path

import pytest

from tests.agent.site import Site, built


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    return built(tmp_path, monkeypatch, capsys)
