"""`relay drain`, `keep`, `replace` and `restore` in the language of who reads them; documents are the same in both."""

from provisioner.base.recovery_key import RecoveryPair
from tests.simulated import SimulatedHost
from tests.unit.cli.test_languages import english_in
from tests.unit.cli.test_plan import RELAY, Terminal
from tests.unit.cli.test_recovery import sealed
from tests.unit.cli.test_relay_drain import DRAIN, OLD, SIGNED, SITES, DrainTerminal, call

__all__ = ["call", "sealed"]  # the fixtures

VI = ("--language", "vi")


def words_of(text: str) -> str:
    """What is said, without the lines of files that change."""
    return "\n".join(
        line for line in text.splitlines() if not line.startswith(("  +", "  -", "  …", "   ", "inventories/"))
    )


def said_in_vietnamese(call: Terminal, *words: str) -> str:
    _, out, err = call(*VI, *words)
    assert list(english_in(words_of(out + err))) == []
    return out + err


def test_a_drain_is_said_in_vietnamese_from_its_beginning_to_its_end(call: DrainTerminal) -> None:
    shown = said_in_vietnamese(call, *DRAIN, "--dry-run")
    assert f"{OLD} được chuyển hết sang relay-viettel-2" in shown
    assert "chưa thay đổi gì; để thực hiện: provisioner relay drain" in shown
    assert call(*DRAIN, "--yes", *SIGNED)[0] == 0
    assert (
        "gói có cả hai máy chủ chuyển tiếp"
        in said_in_vietnamese(call, *DRAIN, "--dry-run") + call(*VI, *DRAIN, "--yes")[1]
    )
    call.knock(*SITES)
    _, out, err = call(*VI, *DRAIN, "--yes")
    assert list(english_in(words_of(out))) == []
    assert f"{OLD} nhả 2 cơ sở theo từng đợt" in err
    gone, then = f"{OLD} không còn cơ sở nào", f"tiếp theo: provisioner hosts decommission {OLD}"
    assert out.splitlines()[-3:] == [gone, then, "đã ghi tệp: hãy commit"]


def test_to_keep_a_relay_is_said_in_vietnamese(call: DrainTerminal) -> None:
    assert "không có gì để hủy" in said_in_vietnamese(call, "relay", "keep", OLD)
    call.both()
    assert "không còn được chuyển sang relay-viettel-2 nữa: kèm 2 cơ sở" in said_in_vietnamese(
        call, "relay", "keep", OLD
    )


def test_a_replacement_is_said_in_vietnamese(call: DrainTerminal) -> None:
    call.hosts.hosts[OLD].is_new_hardware = True
    shown = said_in_vietnamese(call, "relay", "replace", OLD, "--dry-run")
    assert "mất hình cho đến khi có người cài gói mới tại đó: 2 cơ sở: kcl-bg-001, kcl-bg-002" in shown
    assert f"để thực hiện: provisioner relay replace {OLD}" in shown
    _, out, _ = call(*VI, "relay", "replace", OLD, "--allow", "trust=1", "--yes")
    assert list(english_in(words_of(out))) == []
    assert f"tiếp theo: provisioner apply --limit host={OLD}" in out


def test_a_restoration_is_said_in_vietnamese(sealed: tuple[Terminal, RecoveryPair]) -> None:
    call, _ = sealed
    assert "không cần khôi phục" in said_in_vietnamese(call, "relay", "restore", RELAY)
    call.hosts.hosts[RELAY] = SimulatedHost(is_new_hardware=True)
    shown = said_in_vietnamese(call, "relay", "restore", RELAY, "--dry-run")
    assert "phần cứng đã hỏng có cùng khóa" in shown
    assert f"để thực hiện: provisioner relay restore {RELAY} --allow trust=1" in shown
