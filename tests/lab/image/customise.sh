#!/bin/sh
# Run once as root inside the new system, after its packages are unpacked.
set -eu

# Nothing that belongs to one machine may be in an image.
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
: > /etc/machine-id

# A boot in about a second: no hardware, no consoles, no login seats, no timers of Debian's own.
for unit in \
  systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
  systemd-logind.service systemd-resolved.service systemd-networkd.service systemd-timesyncd.service \
  systemd-firstboot.service systemd-binfmt.service systemd-modules-load.service systemd-remount-fs.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  systemd-journal-flush.service systemd-sysctl.service \
  getty.target console-getty.service getty-static.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  systemd-tmpfiles-clean.timer e2scrub_reap.service ssh.socket \
  systemd-ask-password-console.path systemd-ask-password-wall.path
do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
# Which host runs sshd is decided when the host is made, not here.
systemctl disable ssh.service nftables.service >/dev/null 2>&1 || true

# In a container the limit on core files cannot be raised; sudo would warn about it at every call.
printf 'Set disable_coredump false\n' > /etc/sudo.conf
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nReadKMsg=no\nRateLimitIntervalSec=0\n' > /etc/systemd/journald.conf
printf '[Manager]\nDefaultTimeoutStopSec=5s\n' > /etc/systemd/system.conf

# The user the controller logs in as: a key, no password, sudo.
useradd --create-home --shell /bin/bash --password '*' noc
install -d -m 0700 -o noc -g noc /home/noc/.ssh
printf 'noc ALL=(ALL:ALL) NOPASSWD: ALL\n' > /etc/sudoers.d/noc
chmod 0440 /etc/sudoers.d/noc
cat > /etc/ssh/sshd_config.d/lab.conf <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
# Many short connections at once are what the tests do.
MaxStartups 100:30:200
SSHD

rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/* /usr/share/icons /usr/share/mime /usr/lib/*/libwebkit* /usr/lib/*/libjavascriptcore*
