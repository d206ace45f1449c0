#!/bin/sh
# Takes the gateway of kcl-bg-002 out of service, as root: this facility is closed, and no relay knows the
# gateway's key any more. Stops and removes the tunnel, the port map, the unit, the key and the pre-shared keys, and
# says what it did. Safe to run again. IP forwarding stays as it is: others may need it.
set -u
facility=kcl-bg-002
tunnel=wg-prov
conf=/etc/provisioner-site
unit=/etc/systemd/system/provisioner-site.service
names=/etc/systemd/system/provisioner-site-names
pushing=/etc/provisioner-publish
pushes=/etc/systemd/system/provisioner-publish.service
say() { echo "install.sh: $1"; }
refuse() { echo "install.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse "run me as root"
for managed in /etc/provisioner/tunnel.json /etc/provisioner.*/tunnel.json; do
	[ ! -e "$managed" ] || refuse "this is a relay or a monitoring centre, no gateway: nothing was changed"
done
recorded=$(cat "$conf/facility" "$pushing/facility" 2>/dev/null | head -n 1)
if [ -n "$recorded" ] && [ "$recorded" != "$facility" ] && [ "${1:-}" != --anyway ]; then
	refuse "this gateway was set up for $recorded, not for $facility: nothing was changed; if it is the right one all the same, run install.sh --anyway"
fi
if [ -e "$names.timer" ]; then
	systemctl disable --now provisioner-site-names.timer >/dev/null 2>&1
	rm -f "$names.timer" "$names.service"
	systemctl daemon-reload
	say "stopped and removed provisioner-site-names.timer"
fi
if [ -e "$unit" ]; then
	systemctl disable --now provisioner-site.service >/dev/null 2>&1
	rm -f "$unit"
	systemctl daemon-reload
	say "stopped and removed provisioner-site.service"
fi
if [ -e "$pushes" ] || [ -d "$pushing" ]; then
	systemctl disable --now provisioner-publish.service >/dev/null 2>&1
	rm -f "$pushes"
	systemctl daemon-reload
	find "$pushing" -type f -exec shred -u {} + 2>/dev/null
	rm -rf "$pushing" /usr/local/lib/provisioner-publish
	say "stopped and removed provisioner-publish.service, with the devices' logins and the passwords"
fi
if ip link show "$tunnel" >/dev/null 2>&1; then
	ip link del "$tunnel" && say "took the tunnel $tunnel down"
fi
if nft list table inet provisioner_site >/dev/null 2>&1; then
	nft delete table inet provisioner_site && say "removed the firewall and the port map"
fi
if [ -d "$conf" ]; then
	find "$conf" -type f -exec shred -u {} + 2>/dev/null
	rm -rf "$conf" && say "removed the gateway's key, the pre-shared keys and the configuration"
fi
rm -rf /usr/local/lib/provisioner-site /run/provisioner-site
left=
[ ! -e "$unit" ] || left="$left $unit"
[ ! -e "$names.timer" ] || left="$left $names.timer"
[ ! -e "$conf" ] || left="$left $conf"
[ ! -e "$pushes" ] || left="$left $pushes"
[ ! -e "$pushing" ] || left="$left $pushing"
[ ! -e /usr/local/lib/provisioner-site ] || left="$left /usr/local/lib/provisioner-site"
! ip link show "$tunnel" >/dev/null 2>&1 || left="$left interface:$tunnel"
! nft list table inet provisioner_site >/dev/null 2>&1 || left="$left table:provisioner_site"
[ -z "$left" ] || refuse "still there:$left"
say "nothing of $facility is left on this gateway; remove its older packages too, they hold its pre-shared keys"
