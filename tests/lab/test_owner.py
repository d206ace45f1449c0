"""Whether a lab's process still runs."""

import dataclasses
import os
import subprocess

from .owner import Owner


def test_this_process_is_not_gone_and_survives_being_written_down() -> None:
    owner = Owner.parse(str(Owner.current()))
    assert owner == Owner.current()
    assert owner.pid == os.getpid()
    assert not owner.is_gone


def test_another_process_with_the_same_number_is_another_process() -> None:
    assert dataclasses.replace(Owner.current(), started=1).is_gone


def test_ended_process_and_earlier_boot_are_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert dataclasses.replace(Owner.current(), pid=process.pid).is_gone
    assert dataclasses.replace(Owner.current(), boot="an earlier one").is_gone


def test_what_cannot_be_seen_from_here_counts_as_running() -> None:
    assert not dataclasses.replace(Owner.current(), namespace="another", pid=2**22 + 1).is_gone
