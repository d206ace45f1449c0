#!/bin/sh
# Takes the gateway of kcl-bg-002 out of service, on OpenWrt, as root: this facility is closed, and no relay
# knows the router's key any more. Safe to run again.
set -u
facility=kcl-bg-002
keys=/etc/provisioner-site
refuse() { echo "install.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse "run me as root"
command -v uci >/dev/null 2>&1 || refuse "this is no OpenWrt router: nothing was changed"
recorded=$(cat "$keys/facility" 2>/dev/null)
if [ -n "$recorded" ] && [ "$recorded" != "$facility" ] && [ "${1:-}" != --anyway ]; then
	refuse "this router was set up for $recorded, not for $facility: nothing was changed; if it is the right one all the same, run install.sh --anyway"
fi
for file in network firewall; do
	uci show "$file" | sed -n "s/^\($file\.prov_[a-z0-9_]*\)=.*/\1/p" | while read -r section; do
		uci -q delete "$section" || true
	done
	uci commit "$file"
done
/etc/init.d/network reload >&2
/etc/init.d/firewall reload >&2
rm -rf "$keys"
! uci show network | grep -q "^network\.prov_" || refuse "still there: the tunnel"
! uci show firewall | grep -q "^firewall\.prov_" || refuse "still there: the port map"
[ ! -e "$keys" ] || refuse "still there: $keys"
echo "install.sh: nothing of $facility is left on this router; remove its older packages too, they hold its pre-shared keys"
