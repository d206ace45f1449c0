"""What brings an upgraded node back by itself: a script for the plain shell, and the units that run it. Pure.

It is no part of the program that is exchanged, and needs nothing of it: dpkg, systemctl and a shell. The unit is there
after a loss of power, too: at the next start of the machine it runs at once, as whoever upgraded is gone then.

Whoever takes `armed` away decides: the script, which returns, or the upgrade, which is confirmed. A name of a file is
changed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from string import Template
from typing import Final

from provisioner.nodes.upgrade_rules import PACKAGE

FOLDER: Final = PurePosixPath("/var/lib/provisioner-return")
SYSTEM: Final = PurePosixPath("/etc/systemd/system")
SERVICE: Final = "provisioner-node-return.service"
TIMER: Final = "provisioner-node-return.timer"
WANTED: Final = SYSTEM / "multi-user.target.wants" / SERVICE
BACK: Final = "back.deb"
SCRIPT: Final = "return"
ARMED: Final = "armed"
RETURNING: Final = "returning"
OVER: Final = "over"

_SCRIPT: Final = Template("""\
#!/bin/sh
# Written by `provisioner node upgrade`: brings provisioner $version back, unless the newer one was confirmed.
folder=$folder

is_whole() {
	# Where it is another package that dpkg could not finish with, e.g. the manual pages' index.
	[ "$$(dpkg-query --show --showformat='$${db:Status-Abbrev}$${Version}' $package)" = "ii $version" ]
}

returned() {
	mv -T "$$folder/armed" "$$folder/returning" 2>/dev/null || [ -e "$$folder/returning" ] || return 0
	echo "the newer version was not confirmed: $version comes back"
	# One that was killed may still have dpkg's lock: then this fails, and systemd calls again.
	dpkg --force-confdef --force-confold --install "$$folder/$back" </dev/null || is_whole || return 1
	for unit in $units; do
		systemctl start "$$unit" || echo "$$unit does not start: see journalctl -u $$unit"
	done
	mv -T "$$folder/returning" "$$folder/over"
	echo "version $version is back"
}

cleared() {
	systemctl stop $timer 2>/dev/null
	rm -f $wanted $timer_file $service_file
	systemctl daemon-reload
	rm -rf "$$folder"
}

whole() {
	cd /
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
	returned || exit 1
	cleared
	exit 0
}

# It is read to its end before it begins, as it removes itself.
whole
""")
_SERVICE: Final = Template("""\
# Written by `provisioner node upgrade`; it goes once the newer version is confirmed, or this one is back.
[Unit]
Description=Return of this machine's nodes to provisioner $version
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh $script
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
""")
_TIMER: Final = Template("""\
# Written by `provisioner node upgrade`.
[Unit]
Description=Return of this machine's nodes to provisioner $version where nobody confirms the newer one

[Timer]
OnActiveSec=$seconds
AccuracySec=1s
""")


def return_script(version: str, units: Sequence[str]) -> str:
    """The script.

    Args:
        version: the one that comes back, of letters that mean nothing to a shell.
        units: the nodes that ran.
    """
    return _SCRIPT.substitute(
        version=version,
        folder=FOLDER,
        back=BACK,
        package=PACKAGE,
        units=" ".join(f"'{unit}'" for unit in units),
        timer=TIMER,
        wanted=WANTED,
        timer_file=SYSTEM / TIMER,
        service_file=SYSTEM / SERVICE,
    )


def return_service(version: str) -> str:
    """The unit that runs it: for the timer, for whoever cannot wait, and when the machine starts."""
    return _SERVICE.substitute(version=version, script=FOLDER / SCRIPT)


def return_timer(version: str, seconds: float) -> str:
    """The unit that starts that one where nobody confirms."""
    return _TIMER.substitute(version=version, seconds=round(seconds))
