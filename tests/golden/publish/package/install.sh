#!/bin/sh
# Installs the site package of kcl-bg-002, as root, on a Linux machine in the cameras' network. Safe to run again:
# the streams break off for some seconds. With --remove it takes all of it away again.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
facility=kcl-bg-002
conf=/etc/provisioner-publish
programs=/usr/local/lib/provisioner-publish
unit=/etc/systemd/system/provisioner-publish.service
say() { echo "install.sh: $1"; }
refuse() { echo "install.sh: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || refuse "run me as root"
for managed in /etc/provisioner/tunnel.json /etc/provisioner.*/tunnel.json; do
	[ ! -e "$managed" ] || refuse "this is a relay or a monitoring centre, no gateway: nothing was changed"
done
recorded=$(cat "$conf/facility" 2>/dev/null || true)
[ -z "$recorded" ] || [ "$recorded" = "$facility" ] ||
	refuse "this machine pushes for $recorded, not for $facility: nothing was changed; take that away first"
if [ "${1:-}" = --remove ]; then
	systemctl disable --now provisioner-publish.service >/dev/null 2>&1 || true
	rm -f "$unit"
	systemctl daemon-reload
	[ ! -e "$conf/publish.yml" ] || shred -u "$conf/publish.yml" 2>/dev/null || rm -f "$conf/publish.yml"
	rm -rf "$conf" "$programs"
	say "nothing of $facility is pushed from this machine any more; remove its packages too, they hold the logins"
	exit 0
fi
# Valid until the end of 2021-07-12 in Vietnam, by this machine's clock; one that is before the day on which the
# package was made is wrong, and says nothing.
now=$(date +%s)
if [ "$now" -ge 1626109200 ]; then
	refuse 'this package expired: it was valid until 2021-07-12, and the clock here says '"$(date +%Y-%m-%d)"': nothing was changed; ask the carrier'"'"'s NOC for a new package'
elif [ "$now" -lt 1623430800 ]; then
	echo "${0##*/}: the clock here cannot be trusted, it says $(date +%Y-%m-%d)"' and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock' >&2
fi
missing=
for program in awk:mawk sha256sum:coreutils systemctl:systemd tar:tar; do
	command -v "${program%%:*}" >/dev/null 2>&1 || missing="$missing ${program##*:}"
done
[ -z "$missing" ] || refuse "missing packages; run: apt-get install -y$missing"
case $(uname -m) in
x86_64) arch=amd64 sum=0000000000000000000000000000000000000000000000000000000000000000 ;;
*) refuse "there is no MediaMTX for this machine ($(uname -m)): nothing was changed" ;;
esac
if [ "$(cat "$programs/mediamtx.sum" 2>/dev/null || true)" != "$sum" ]; then
	archive=
	for file in "$here"/mediamtx* "$here"/../mediamtx*; do
		if [ -f "$file" ] && [ "$(sha256sum <"$file" | cut -c 1-64)" = "$sum" ]; then archive=$file; fi
	done
	[ -n "$archive" ] || refuse "MediaMTX 1.20.1 for $arch is not beside this package, or is another file than the one of the
  checksum $sum: copy mediamtx_v1.20.1_linux_$arch.tar.gz of the release into this folder; nothing was changed"
	mkdir -p "$programs"
	# As the release has it, or the bare program.
	tar -xzOf "$archive" mediamtx >"$programs/mediamtx.new" 2>/dev/null || cp "$archive" "$programs/mediamtx.new"
	chmod 0755 "$programs" "$programs/mediamtx.new"
	mv "$programs/mediamtx.new" "$programs/mediamtx"
	echo "$sum" >"$programs/mediamtx.sum"
fi
mkdir -p "$conf"
chmod 0700 "$conf"
chmod 0755 "$programs"
# For the package that takes this machine out of service when the facility closes.
echo "$facility" >"$conf/facility"
install -m 0600 "$here/publish.yml" "$conf/publish.yml"
install -m 0755 "$here/site-publish" "$programs/site-publish"
install -m 0644 "$here/provisioner-publish.service" "$unit"
systemctl daemon-reload
systemctl enable provisioner-publish.service >/dev/null 2>&1
systemctl restart provisioner-publish.service
# A tunnel that this facility had before leads nowhere now.
if [ "$(cat /etc/provisioner-site/facility 2>/dev/null || true)" = "$facility" ]; then
	systemctl disable --now provisioner-site-names.timer >/dev/null 2>&1 || true
	systemctl disable --now provisioner-site.service >/dev/null 2>&1 || true
	rm -f /etc/systemd/system/provisioner-site.service /etc/systemd/system/provisioner-site-names.*
	systemctl daemon-reload
	ip link del wg-prov 2>/dev/null || true
	nft delete table inet provisioner_site 2>/dev/null || true
	find /etc/provisioner-site -type f -exec shred -u {} + 2>/dev/null || true
	rm -rf /etc/provisioner-site /usr/local/lib/provisioner-site /run/provisioner-site
	say "took the site's former tunnel down"
fi
say "pushing; see what it does with: journalctl -u provisioner-publish -f"
