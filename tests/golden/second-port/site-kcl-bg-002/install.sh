#!/bin/sh
# Installs the site package of kcl-bg-002 on a Linux gateway, as root. Safe to run again:
# the gateway's key is made once and kept. Prints the gateway's public key and nothing else on standard
# output; put it into the facility's file at gateway.public_key.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo "install.sh: run me as root" >&2; exit 1; }
missing=
for program in wg:wireguard-tools nft:nftables ip:iproute2 systemctl:systemd; do
	command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program##*:}"
done
[ -z "$missing" ] || { echo "install.sh: missing packages; run: apt-get install -y$missing" >&2; exit 1; }
mkdir -p /etc/provisioner-site /usr/local/lib/provisioner-site
chmod 0700 /etc/provisioner-site
# For the package that takes this gateway down when the facility closes.
echo kcl-bg-002 >/etc/provisioner-site/facility
[ -s /etc/provisioner-site/wg.key ] || wg genkey >/etc/provisioner-site/wg.key
rm -rf /etc/provisioner-site/peers
mkdir /etc/provisioner-site/peers
install -m 0600 "$here"/peers/* /etc/provisioner-site/peers/
install -m 0600 "$here/provisioner-site.nft" /etc/provisioner-site/provisioner-site.nft
install -m 0755 "$here/site-up" "$here/site-down" /usr/local/lib/provisioner-site/
install -m 0644 "$here/provisioner-site.service" /etc/systemd/system/provisioner-site.service
install -m 0755 "$here/site-names" /usr/local/lib/provisioner-site/
install -m 0644 "$here/provisioner-site-names.service" "$here/provisioner-site-names.timer" /etc/systemd/system/
nft -c -f /etc/provisioner-site/provisioner-site.nft >&2
systemctl daemon-reload >&2
systemctl enable provisioner-site.service >&2
# A running tunnel is brought to its new state without an interruption.
systemctl reload-or-restart provisioner-site.service >&2
systemctl enable --now provisioner-site-names.timer >&2
wg pubkey </etc/provisioner-site/wg.key
