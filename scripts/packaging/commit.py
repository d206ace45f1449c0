"""The commit that a release is made of: its time, its tag, its version, and its files apart from what lies around."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from scripts.packaging.errors import RefusedError
from scripts.packaging.programs import run

_VERSION = re.compile(r'^__version__ = "([0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Commit:
    """What is at the top of a checkout."""

    folder: Path  #: The checkout.
    name: str  #: The commit's id.
    seconds: int  #: When it was committed, since 1970: the time of everything that is made of it.
    version: str  #: Of `provisioner/__init__.py`, the one place that says it.
    tags: frozenset[str]  #: Its tags.
    edited: tuple[str, ...]  #: Files that are not as committed, and new ones that Git does not ignore.
    noticed: tuple[str, ...] = ()  #: What commits since the last release say that users notice (`Changelog: Added: …`).

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a checkout.

        Raises:
            RefusedError: it is none, or its version is no version.
        """
        return cls(
            folder=folder,
            name=_git(folder, "rev-parse", "HEAD").strip(),
            seconds=int(_git(folder, "log", "-1", "--format=%ct")),
            version=version_of((folder / "provisioner/__init__.py").read_text(encoding="utf-8")),
            tags=frozenset(_git(folder, "tag", "--points-at", "HEAD").split()),
            edited=tuple(line[3:] for line in _git(folder, "status", "--porcelain").splitlines()),
            noticed=_noticed(folder),
        )

    @property
    def tag(self) -> str:
        """The tag that a release of this version has."""
        return f"v{self.version}"

    def export(self, target: Path) -> None:
        """Write the commit's files, and nothing that lies in the checkout beside them, into a folder."""
        target.mkdir(parents=True)
        archive = target.with_suffix(".export.tar")
        _git(self.folder, "archive", "--format=tar", f"--output={archive}", self.name)
        run(["tar", "-C", target, "-xf", archive])
        archive.unlink()

    def check(self, changelog: str) -> None:
        """Make sure that this commit is a release.

        Args:
            changelog: the text of CHANGELOG.md.

        Raises:
            RefusedError: with what is lacking.
        """
        if self.edited:
            some = ", ".join(self.edited[:3]) + (" …" if len(self.edited) > 3 else "")  # noqa: PLR2004 (a line of text)
            raise RefusedError(f"files are not as committed: {some}", hint="commit or remove them: git status")
        released_on(changelog, self.version)
        written = " ".join(changelog.split())
        if missing := [text for text in self.noticed if text.partition(": ")[2] not in written]:
            raise RefusedError(
                f"CHANGELOG.md lacks what a commit says that users notice: {missing[0]}",
                hint=f"{len(missing)} lines lack: bring them in, with the words of the commits",
            )
        if self.tag not in self.tags:
            others = ", ".join(sorted(self.tags)) or "none"
            raise RefusedError(
                f"the commit has no tag {self.tag}, which its version asks for (its tags: {others})",
                hint=f"git tag {self.tag}; or correct __version__ in provisioner/__init__.py",
            )


def version_of(module: str) -> str:
    """The version that a module's text says.

    Raises:
        RefusedError: it says none, or none of the form 1.2.3 or 1.2.3rc1.
    """
    versions = _VERSION.findall(module)
    if len(versions) != 1:
        raise RefusedError(
            'provisioner/__init__.py has no line __version__ = "X.Y.Z"', hint="write the version there, once"
        )
    return str(versions[0])


def released_on(changelog: str, version: str) -> date:
    """The day of a version's section in the changelog.

    Raises:
        RefusedError: there is no such section, it has no day, or it says nothing.
    """
    heading = f"## {version}"
    match = re.search(rf"^{re.escape(heading)}(?: - ([^\n]*))?$\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    hint = (
        f"head the section of this release with `{heading} - YYYY-MM-DD`, and leave an empty `## Unreleased` above it"
    )
    if match is None:
        raise RefusedError(f"CHANGELOG.md has no section {version}", hint=hint)
    if not match[2].strip():
        raise RefusedError(f"the section {version} of CHANGELOG.md is empty", hint="say what users notice")
    try:
        return date.fromisoformat(match[1] or "")
    except ValueError:
        raise RefusedError(f"the section {version} of CHANGELOG.md has no date", hint=hint) from None


def _noticed(folder: Path) -> tuple[str, ...]:
    """The trailers `Changelog` since the newest release before this commit, oldest first."""
    tags = _git(
        folder, "tag", "--merged", "HEAD", "--no-contains", "HEAD", "--list", "v*", "--sort=-creatordate"
    ).split()
    since = [f"^{tag}" for tag in tags[:1]]
    form = "--format=%(trailers:key=Changelog,valueonly,unfold)"
    lines = _git(folder, "log", "--reverse", form, "HEAD", *since).splitlines()
    return tuple(" ".join(line.split()) for line in lines if line.strip())


def _git(folder: Path, *arguments: str) -> str:
    return run(["git", "-C", folder, *arguments])
