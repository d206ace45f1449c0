#!/bin/sh
# Changes the key of the gateway of kcl-bg-002, as root, in two steps:
#   change-key.sh          makes the next key beside the present one, prints its public half, and changes nothing else;
#   change-key.sh switch   takes it into use, once its public half is noted and applied: it prints it again.
# A gateway that no relay answers by its new key within 20 seconds goes back to the present one by itself.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
keys=/etc/provisioner-site
tunnel=prov_wg
refuse() { echo "change-key.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse "run me as root"
# Valid until the end of 2021-07-12 in Vietnam, by this machine's clock; one that is before the day on which the
# package was made is wrong, and says nothing.
now=$(date +%s)
if [ "$now" -ge 1626109200 ]; then
	refuse 'this package expired: it was valid until 2021-07-12, and the clock here says '"$(date +%Y-%m-%d)"': nothing was changed; ask the carrier'"'"'s NOC for a new package'
elif [ "$now" -lt 1623430800 ]; then
	echo "${0##*/}: the clock here cannot be trusted, it says $(date +%Y-%m-%d)"' and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock' >&2
fi
[ -s "$keys/wg.key" ] || refuse "this gateway has no key yet: nothing was changed"
if [ "$(wg pubkey <"$keys/wg.key")" = gHHEpDamUeprrIR5QLOPRiTI06cBgEbZCjIwtyRYT/4= ]; then
	echo "change-key.sh: this gateway has its new key already" >&2
	wg pubkey <"$keys/wg.key"
	exit
fi
case "${1:-}" in
'')
	[ -s "$keys/wg.key.next" ] || wg genkey >"$keys/wg.key.next"
	wg pubkey <"$keys/wg.key.next"
	exit
	;;
switch) ;;
*) refuse "I know no $1: change-key.sh, and later change-key.sh switch" ;;
esac
[ -s "$keys/wg.key.next" ] || refuse "there is no next key: run change-key.sh, and report what it prints"
[ "$(wg pubkey <"$keys/wg.key.next")" = gHHEpDamUeprrIR5QLOPRiTI06cBgEbZCjIwtyRYT/4= ] \
	|| refuse "the next key of this gateway is another one than was reported: run change-key.sh, and report what it prints"
save() {
	cp -p /etc/config/network /etc/config/firewall "$keys/before/"
}
give_back() {
	cp -p "$keys/before/network" "$keys/before/firewall" /etc/config/
	/etc/init.d/network reload
	/etc/init.d/firewall reload
}
last() { wg show "$tunnel" latest-handshakes | awk '$2 > last { last = $2 } END { print last + 0 }'; }
# A keep-alive that is switched on is sent at once, and a handshake before it.
knock() {
	wg show "$tunnel" peers | while read -r peer; do
		wg set "$tunnel" peer "$peer" persistent-keepalive off
		wg set "$tunnel" peer "$peer" persistent-keepalive 25
	done
}
rm -rf "$keys/before"
mkdir "$keys/before"
cp -p "$keys/wg.key" "$keys/before/wg.key"
save
# Handshakes are told to the second: the next one is to be told from this one.
before=$(last)
while [ "$(date +%s)" -le "$before" ]; do sleep 1; done
cp -p "$keys/wg.key.next" "$keys/wg.key"
if CHANGE_KEY=switch sh "$here/install.sh" >/dev/null; then
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		knock
		sleep 1
		if [ "$(last)" -gt "$before" ]; then
			rm -rf "$keys/before" "$keys/wg.key.next"
			wg pubkey <"$keys/wg.key"
			exit
		fi
	done
fi
cp -p "$keys/before/wg.key" "$keys/wg.key"
give_back >&2
knock
rm -rf "$keys/before"
refuse "no relay answers by the new key, and this gateway has its present one again: has the change been applied?"
