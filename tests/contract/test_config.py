"""What the relay accepts as a configuration, and how it refuses the rest."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from .relay import LATE, dry_run, environment

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from .relay import Engine

pytestmark = pytest.mark.contract

VALID = "ERR: open /nonexistent/x: no such file or directory"

# The whole first line behind `ERR: `, or its beginning where it ends in three dots.
INVALID = {
    "unknown key": ("foo: 1\n", 'json: unknown field "foo"'),
    "keys are case sensitive": ("API: true\n", 'json: unknown field "API"'),
    "unknown key of a path": ("paths: {a: {foo: 1}}\n", 'json: unknown field "foo"'),
    "unknown key of the defaults": ("pathDefaults: {foo: 1}\n", 'json: unknown field "pathDefaults.foo"'),
    "unknown key of a user": (
        "authInternalUsers: [{user: a, foo: 1}]\n",
        'json: unknown field "authInternalUsers[0].foo"',
    ),
    "unknown key of a permission": (
        "authInternalUsers: [{user: a, permissions: [{action: read, x: 1}]}]\n",
        'json: unknown field "authInternalUsers[0].permissions[0].x"',
    ),
    "quoted boolean": ('api: "yes"\n', "json: cannot unmarshal string into Go value of type bool"),
    "number for a text": ("apiAddress: 5\n", "json: cannot unmarshal number into Go value of type string"),
    "text for a number": ('writeQueueSize: "512"\n', "json: cannot unmarshal string into Go value of type int"),
    "fraction for a number": ("writeQueueSize: 5.5\n", "json: cannot unmarshal number 5.5 into Go value of type int"),
    "bare number for a duration": ("readTimeout: 10\n", "json: cannot unmarshal number into Go value of type string"),
    "duration without unit": ('readTimeout: "10"\n', 'time: missing unit in duration "10"'),
    "duration with unknown unit": ("readTimeout: 10x\n", 'time: unknown unit "x" in duration "10x"'),
    "empty duration": ("readTimeout:\n", "'readTimeout' must be greater than zero"),
    "duplicate key": ("api: true\napi: false\n", '[2:1] mapping key "api" already defined at [1:1]'),
    "duplicate path": ("paths:\n  a: {}\n  a: {}\n", '[3:3] mapping key "a" already defined at [2:3]'),
    "two documents": ("api: true\n---\napi: false\n", "invalid YAML"),
    "half a file": ("paths: {a: {source:", "[..."),
    "null users": ("authInternalUsers:\n", 'cannot set slice "authInternalUsers" to nil'),
    "null origins": ("apiAllowOrigins:\n", 'cannot set slice "apiAllowOrigins" to nil'),
    "null transports": ("rtspTransports:\n", "cannot set slice to nil"),
    "list at the root": ("- a\n", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"),
    "unquoted no for encryption": (
        "rtspEncryption: no\n",
        "json: cannot unmarshal bool into Go value of type conf.alias",
    ),
    "unknown log level": ("logLevel: loud\n", "invalid log level: 'loud'"),
    "unknown transport": ("rtspTransports: [quic]\n", "invalid transport: quic"),
    "unknown action": (
        "authInternalUsers: [{user: a, permissions: [{action: look}]}]\n",
        "invalid auth action: 'look'",
    ),
    "colon in a plain user": ('authInternalUsers: [{user: "a:b"}]\n', "credential contains unsupported characters..."),
    "hash that is no base64": (
        'authInternalUsers: [{user: a, pass: "sha256:!!"}]\n',
        "credential contains unsupported characters, sha256 hash must be base64 encoded",
    ),
    "password for anybody": (
        "authInternalUsers: [{user: any, pass: abc}]\n",
        "using a password with 'any' user is not supported",
    ),
    "user without a name": ("authInternalUsers: [{pass: abc}]\n", "empty usernames are not supported"),
    "address that is none": ("authInternalUsers: [{user: a, ips: [foo]}]\n", "unable to parse IP/CIDR 'foo'"),
    "queue of no power of two": ("writeQueueSize: 500\n", "'writeQueueSize' must be a power of two"),
    "path with a leading slash": ("paths: {/a: {}}\n", "invalid path name '/a': can't begin with a slash"),
    "path with a final slash": ("paths: {a/: {}}\n", "invalid path name 'a/': can't end with a slash"),
    "path with diacritics": (
        'paths: {"hà-nội": {}}\n',
        "invalid path name 'hà-nội': can contain only alphanumeric characters, underscore, dot, minus, slash",
    ),
    "path that climbs": ("paths: {a/../b: {}}\n", "invalid path name 'a/../b': can't contain dot path segments"),
    "source of no known kind": ("paths: {a: {source: foo}}\n", "invalid source: 'foo'"),
    "user without a password": (
        "paths: {a: {source: 'rtsp://user@host/'}}\n",
        "username and password must be both provided",
    ),
    "raw hash in a password": (
        "paths: {a: {source: 'rtsp://u:p#x@host/a'}}\n",
        "'rtsp://u:p#x@host/a' is not a valid URL",
    ),
    "raw slash in a password": (
        "paths: {a: {source: 'rtsp://u:p/x@host/a'}}\n",
        "'rtsp://u:p/x@host/a' is not a valid URL",
    ),
    "raw percent in a password": (
        "paths: {a: {source: 'rtsp://u:p%zz@host/a'}}\n",
        "'rtsp://u:p%zz@host/a' is not a valid URL",
    ),
    "port that is no number": ("paths: {a: {source: 'rtsp://h:abc/a'}}\n", "'rtsp://h:abc/a' is not a valid URL"),
    "publisher on demand": (
        "paths: {a: {sourceOnDemand: true}}\n",
        "'sourceOnDemand' is useless when source is 'publisher'",
    ),
    "record path without the path": ("paths: {a: {recordPath: foo}}\n", "'recordPath' must contain %path"),
    "API without an address": ('api: true\napiAddress: ""\n', "'apiAddress' must be set when API is enabled"),
}

ACCEPTED = {
    "empty file": "",
    "only a comment": "# nothing\n",
    "null paths": "paths:\n",
    "null path": "paths: {a: }\n",
    "JSON": '{"api": true, "paths": {"a/b-c_d.e": {}}}',
    "old booleans": "api: yes\nrtsp: on\nhls: no\n",
    "hexadecimal number": "writeQueueSize: 0x200\n",
    "days": "pathDefaults: {recordDeleteAfter: 1d12h}\n",
    "encoded password": "paths: {a: {source: 'rtsp://u:p%40%2F%23%3A%3F%25%C3%BC@10.1.2.3:554/a?x=1&y=2'}}\n",
    "raw at sign in a password": "paths: {a: {source: 'rtsp://u:p@x@host/a'}}\n",
    "address of version 6": "paths: {a: {source: 'rtsp://[::1]:8554/a'}}\n",
    "hashed password": "authInternalUsers: [{user: a, pass: 'sha256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='}]\n",
    "merged keys": "pathDefaults: &d {maxReaders: 1}\npaths: {a: {<<: *d}}\n",
    "everything off": "hls: false\nwebrtc: false\nrtmp: false\nsrt: false\nmoq: false\nrtspTransports: [tcp]\n",
}


@pytest.fixture(scope="module")
def dry_runs(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompletedProcess[str]]:
    """Every case, two at a time: a process each is what this costs."""
    texts = {**{case: text for case, (text, _) in INVALID.items()}, **ACCEPTED}

    def run(text: str) -> CompletedProcess[str]:
        return dry_run(engine, tmp_path_factory.mktemp("dry"), text)

    # The first call of a worker removes and makes that folder, and is for one thread alone.
    tmp_path_factory.getbasetemp()
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(texts, pool.map(run, texts.values()), strict=True))


@pytest.mark.parametrize("case", INVALID)
def test_refuses_with_its_reason(dry_runs: dict[str, CompletedProcess[str]], case: str) -> None:
    expected, ran = f"ERR: {INVALID[case][1]}", dry_runs[case]
    first = ran.stdout.splitlines()[0]
    if expected.endswith("..."):
        assert first.startswith(expected.removesuffix("..."))
    else:
        assert first == expected
    assert ran.returncode == 1


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepts(dry_runs: dict[str, CompletedProcess[str]], case: str) -> None:
    ran = dry_runs[case]
    assert ran.stdout.strip() == VALID
    assert ran.returncode == 1


def test_warns_of_deprecated_keys_in_a_dry_run(engine: Engine, tmp_path: Path) -> None:
    ran = dry_run(engine, tmp_path, "protocols: [tcp]\n")
    warning, verdict = ran.stdout.splitlines()
    assert warning.endswith("WAR parameter 'protocols' is deprecated and has been replaced with 'rtspTransports'")
    assert verdict == VALID


def test_the_environment_overrides_the_file(engine: Engine, tmp_path: Path) -> None:
    ran = dry_run(engine, tmp_path, "readTimeout: 10s\n", {"MTX_READTIMEOUT": "0s"})
    assert ran.stdout.strip() == "ERR: 'readTimeout' must be greater than zero"


def test_a_bad_file_ends_the_start(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("foo: 1\n", encoding="utf-8")
    ran = subprocess.run(
        [engine.program, file], env=environment(), capture_output=True, text=True, timeout=10 + LATE, check=False
    )
    assert (ran.returncode, ran.stdout.strip()) == (1, 'ERR: json: unknown field "foo"')
