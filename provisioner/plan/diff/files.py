"""Files: rendered against what lies on the host. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.base.counted import counted
from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import HostSpec
from provisioner.desired.trust import AppliedPolicy
from provisioner.hosts.facts import FileFacts, RelayFacts
from provisioner.plan.changes import NOBODY, Action, Audience, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison
from provisioner.plan.diff.hub_paths import with_hub_paths
from provisioner.plan.diff.relay_file import settings_of
from provisioner.plan.diff.reload_rules import caution, impact_of_settings
from provisioner.plan.diff.users import USERS, ended_by
from provisioner.render.files import MEDIAMTX_FILE, READERS_FILE, RenderedFile, program_path

NOT_A_FILE = "not-a-file"
"""What a host says of a link or a folder where a file of ours should be."""


def file_changes(at: Comparison) -> Iterator[Change]:
    """A change for each rendered file, each that we installed before, and MediaMTX's program."""
    for path, file in at.files.items():
        yield _file_change(at, path, file)
    yield from _unlisted(at)
    if at.spec.media is not None:
        yield _program_change(at, program_path(at.spec.media.artefact))


def file_differences(spec: HostSpec, file: RenderedFile, live: FileFacts) -> list[str]:
    """What differs of a file: `content`, or `mode 0644 → 0640` and the like."""
    if live.digest == NOT_A_FILE:
        return ["it is no plain file", "content"]
    differing = [] if live.digest == keyed_digest(spec.digest_key, file.content) else ["content"]
    if live.mode != file.mode:
        differing.append(f"mode {live.mode:04o} → {file.mode:04o}")
    if (live.owner, live.group) != (file.owner, file.group):
        differing.append(f"owner {live.owner}:{live.group} → {file.owner}:{file.group}")
    return differing


def _file_change(at: Comparison, path: str, file: RenderedFile) -> Change:
    live = at.facts.files.get(path)
    if live is None:
        impact, cut = _unread(at) if path == MEDIAMTX_FILE else (Impact.NONE, NOBODY)
        reason = "the host does not have it"
        return Change(at.spec.id, Resource.FILE, path, Action.CREATE, impact, reason, cut)
    differing = file_differences(at.spec, file, live)
    if not differing:
        return at.noop(Resource.FILE, path, "same content, mode and owner")
    if path == at.spec.names.policy_file and differing == ["content"]:
        # What a host does not remember it cannot hold against an edit that takes it back.
        if reason := _to_be_remembered(at):
            return Change(at.spec.id, Resource.FILE, path, Action.UPDATE, Impact.NONE, reason)
        return at.noop(Resource.FILE, path, "the policy that it was applied under; the next change writes the new one")
    impact, cut, reason = Impact.NONE, NOBODY, _differ(differing)
    if path == MEDIAMTX_FILE and "content" in differing:
        impact, cut, reason = _relay_file(at, file, reason)
    if path == READERS_FILE and at.spec.media is not None:
        # Measured on 1.20.1: the file is watched, and who reads at the moment goes on under the former one.
        impact = Impact.HOT
        reason = f"{reason}: whoever comes from now on is shown another certificate, and nobody is cut"
        reason += caution(at.spec.media.artefact.version)
    return Change(at.spec.id, Resource.FILE, path, Action.UPDATE, impact, reason, cut)


def _to_be_remembered(at: Comparison) -> str:
    """What a host has to remember of the policy at once; empty where it waits for the next change."""
    remembered, desired = at.facts.policy or AppliedPolicy(), at.spec.policy or AppliedPolicy()
    if remembered.approvals != desired.approvals:
        return "who approves plans, and what, is to be remembered there"
    return "which Rego rules judge plans is to be remembered there" if remembered.rego != desired.rego else ""


def _differ(differing: list[str]) -> str:
    return "; ".join("content differs" if what == "content" else what for what in differing)


def _unread(at: Comparison) -> tuple[Impact, Audience]:
    """Judge the writing of a file that nothing is known of: a relay that runs may hold anything."""
    return (Impact.ALL, at.served_here) if at.facts.runtime is not None else (Impact.NONE, NOBODY)


def _relay_file(at: Comparison, file: RenderedFile, reason: str) -> tuple[Impact, Audience, str]:
    """Paths are changes of their own; here only the relay's settings count."""
    live = at.facts.relay
    if live is None:
        return (*_unread(at), reason)
    if live.foreign:
        # A line that we would not write may be a setting of all paths.
        return (
            Impact.ALL,
            at.served_here,
            f"{reason}; what {counted(live.foreign, 'foreign line')} in it would do is not known",
        )
    desired = settings_of(file.content, at.spec.digest_key)
    names = desired.keys() | live.settings.keys()
    changed = {name for name in names if desired.get(name) != live.settings.get(name)}
    if not changed:
        listed = f"{reason}; its settings do not, its paths are listed"
        same = (Impact.NONE, NOBODY, listed)
        return with_hub_paths(at, same, alone=True) if at.spec.hub else same
    of_settings = _of_settings(at, changed, desired, live)
    return with_hub_paths(at, of_settings, alone=False) if at.spec.hub else of_settings


def _of_settings(
    at: Comparison, changed: set[str], desired: Mapping[str, object], live: RelayFacts
) -> tuple[Impact, Audience, str]:
    impact = impact_of_settings(changed, live.settings)
    reason = f"settings differ: {', '.join(sorted(changed))}"
    if impact is not Impact.HOT or at.spec.media is None:
        return impact, at.served_here, reason
    reason += caution(at.spec.media.artefact.version)
    if USERS not in changed:
        return impact, NOBODY, reason
    ended = ended_by(live.settings.get(USERS), desired.get(USERS), at.facts.runtime)
    cut = at.served_here if ended.readers is None else at.audience(ended.readers)
    # Whoever watches at the moment: an impact is what a plan is reviewed for, and stands in its digest.
    return (Impact.PATH if ended.takes_away else impact), cut, f"{reason}: {ended.reason}"


def _unlisted(at: Comparison) -> Iterator[Change]:
    """We delete only what our manifest on the host lists."""
    for path in sorted(at.facts.installed - set(at.files)):
        if path in at.facts.files:
            reason, impact = "we installed it, and it is not desired any more", Impact.NONE
            if path == MEDIAMTX_FILE:
                reason, impact = "it is no hub any more: whoever reads there is cut", Impact.ALL
            yield Change(at.spec.id, Resource.FILE, path, Action.DELETE, impact, reason)


def _program_change(at: Comparison, path: str) -> Change:
    program = at.facts.program
    if program is None or not program.present:
        reason = "MediaMTX is not installed in this version"
        return Change(at.spec.id, Resource.FILE, path, Action.CREATE, Impact.NONE, reason)
    if not program.whole:
        reason = "it is not the program that we installed"
        return Change(at.spec.id, Resource.FILE, path, Action.UPDATE, Impact.NONE, reason)
    return at.noop(Resource.FILE, path, "it is the program that we installed")
