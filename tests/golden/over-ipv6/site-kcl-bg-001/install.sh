#!/bin/sh
# Installs the site package of kcl-bg-001 on a Linux gateway, as root. Safe to run again:
# the gateway's key is made once and kept. Prints the gateway's public key and nothing else on standard
# output; put it into the facility's file at gateway.public_key.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
refuse() { echo "install.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse "run me as root"
# Valid until the end of 2021-07-12 in Vietnam, by this machine's clock; one that is before the day on which the
# package was made is wrong, and says nothing.
now=$(date +%s)
if [ "$now" -ge 1626109200 ]; then
	refuse 'this package expired: it was valid until 2021-07-12, and the clock here says '"$(date +%Y-%m-%d)"': nothing was changed; ask the carrier'"'"'s NOC for a new package'
elif [ "$now" -lt 1623430800 ]; then
	echo "${0##*/}: the clock here cannot be trusted, it says $(date +%Y-%m-%d)"' and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock' >&2
fi
missing=
for program in wg:wireguard-tools nft:nftables ip:iproute2 systemctl:systemd; do
	command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program##*:}"
done
[ -z "$missing" ] || refuse "missing packages; run: apt-get install -y$missing"
mkdir -p /etc/provisioner-site /usr/local/lib/provisioner-site
chmod 0700 /etc/provisioner-site
# For the package that takes this gateway down when the facility closes.
echo kcl-bg-001 >/etc/provisioner-site/facility
[ -s /etc/provisioner-site/wg.key ] || wg genkey >/etc/provisioner-site/wg.key
rm -rf /etc/provisioner-site/peers
mkdir /etc/provisioner-site/peers
install -m 0600 "$here"/peers/* /etc/provisioner-site/peers/
install -m 0600 "$here/provisioner-site.nft" /etc/provisioner-site/provisioner-site.nft
install -m 0755 "$here/site-up" "$here/site-down" /usr/local/lib/provisioner-site/
install -m 0644 "$here/provisioner-site.service" /etc/systemd/system/provisioner-site.service
nft -c -f /etc/provisioner-site/provisioner-site.nft >&2
systemctl daemon-reload >&2
systemctl enable provisioner-site.service >&2
# A running tunnel is brought to its new state without an interruption.
systemctl reload-or-restart provisioner-site.service >&2
wg pubkey </etc/provisioner-site/wg.key
