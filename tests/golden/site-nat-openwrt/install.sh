#!/bin/sh
# Installs the site package of kcl-bg-002 on an OpenWrt router (22.03 or later), as root. Safe to run again:
# the router's key is made once and kept. Prints the router's public key and nothing else on standard output; put it
# into the facility's file at gateway.public_key.
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
command -v uci >/dev/null 2>&1 || refuse "this is no OpenWrt router: nothing was changed"
command -v wg >/dev/null 2>&1 || refuse "missing package; run: opkg update && opkg install wireguard-tools"
[ "$(uci -q get network.lan.device)" = br-lan ] \
	|| refuse 'the network lan of this router is not br-lan: nothing was changed'
keys=/etc/provisioner-site
mkdir -p "$keys"
chmod 0700 "$keys"
echo kcl-bg-002 >"$keys/facility"
[ -s "$keys/wg.key" ] || wg genkey >"$keys/wg.key"
# What an earlier package wrote goes, and what this one says comes in its place; nothing is live before the end.
drop() {
	uci show "$1" | sed -n "s/^\($1\.prov_[a-z0-9_]*\)=.*/\1/p" | while read -r section; do
		uci -q delete "$section" || true
	done
}
drop network
drop firewall
uci set network.prov_wg=interface
uci set network.prov_wg.proto=wireguard
uci set network.prov_wg.private_key="$(cat "$keys/wg.key")"
uci set network.prov_wg.mtu=1380
uci add_list network.prov_wg.addresses=10.91.0.2/32
uci add_list network.prov_wg.addresses=10.91.0.65/32
uci add_list network.prov_wg.addresses=10.91.0.66/32
uci add_list network.prov_wg.addresses=10.91.0.67/32
uci set network.prov_peer_1=wireguard_prov_wg
uci set network.prov_peer_1.description=relay/relay-viettel-1
uci set network.prov_peer_1.public_key=rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ=
uci set network.prov_peer_1.preshared_key="$(cat "$here"/peers/relay-viettel-1.psk)"
uci set network.prov_peer_1.endpoint_host=203.0.113.11
uci set network.prov_peer_1.endpoint_port=51820
uci add_list network.prov_peer_1.allowed_ips=10.91.0.1/32
uci set network.prov_peer_1.route_allowed_ips=1
uci set network.prov_peer_1.persistent_keepalive=25
uci add_list network.prov_wg.addresses=10.92.0.2/32
uci add_list network.prov_wg.addresses=10.92.0.65/32
uci add_list network.prov_wg.addresses=10.92.0.66/32
uci add_list network.prov_wg.addresses=10.92.0.67/32
uci set network.prov_peer_2=wireguard_prov_wg
uci set network.prov_peer_2.description=relay/relay-vnpt-1
uci set network.prov_peer_2.public_key=i+CpjXAKcSc4DT7xYLi8/wYKXSlXX060YJbUw/Gg7Pk=
uci set network.prov_peer_2.preshared_key="$(cat "$here"/peers/relay-vnpt-1.psk)"
uci set network.prov_peer_2.endpoint_host=203.0.113.21
uci set network.prov_peer_2.endpoint_port=51820
uci add_list network.prov_peer_2.allowed_ips=10.92.0.1/32
uci set network.prov_peer_2.route_allowed_ips=1
uci set network.prov_peer_2.persistent_keepalive=25
# Nothing comes in by the tunnel but pings and what is mapped; what is not mapped is told to the relay.
uci set firewall.prov_zone=zone
uci set firewall.prov_zone.name=prov
uci add_list firewall.prov_zone.network=prov_wg
uci set firewall.prov_zone.input=REJECT
uci set firewall.prov_zone.output=ACCEPT
uci set firewall.prov_zone.forward=REJECT
uci set firewall.prov_zone.mtu_fix=1
uci set firewall.prov_ping=rule
uci set firewall.prov_ping.name=provisioner-ping
uci set firewall.prov_ping.src=prov
uci set firewall.prov_ping.proto=icmp
uci set firewall.prov_ping.target=ACCEPT
uci set firewall.prov_map_1_1_554=redirect
uci set firewall.prov_map_1_1_554.name=provisioner-1-554
uci set firewall.prov_map_1_1_554.target=DNAT
uci set firewall.prov_map_1_1_554.src=prov
uci set firewall.prov_map_1_1_554.dest=lan
uci set firewall.prov_map_1_1_554.proto=tcp
uci set firewall.prov_map_1_1_554.src_ip=10.91.0.1
uci set firewall.prov_map_1_1_554.src_dip=10.91.0.65
uci set firewall.prov_map_1_1_554.src_dport=554
uci set firewall.prov_map_1_1_554.dest_ip=192.168.1.30
uci set firewall.prov_map_1_1_554.dest_port=554
uci set firewall.prov_map_1_1_554.reflection=0
uci set firewall.prov_map_1_1_8000=redirect
uci set firewall.prov_map_1_1_8000.name=provisioner-1-8000
uci set firewall.prov_map_1_1_8000.target=DNAT
uci set firewall.prov_map_1_1_8000.src=prov
uci set firewall.prov_map_1_1_8000.dest=lan
uci set firewall.prov_map_1_1_8000.proto=tcp
uci set firewall.prov_map_1_1_8000.src_ip=10.91.0.1
uci set firewall.prov_map_1_1_8000.src_dip=10.91.0.65
uci set firewall.prov_map_1_1_8000.src_dport=8000
uci set firewall.prov_map_1_1_8000.dest_ip=192.168.1.30
uci set firewall.prov_map_1_1_8000.dest_port=8000
uci set firewall.prov_map_1_1_8000.reflection=0
uci set firewall.prov_map_1_2_8554=redirect
uci set firewall.prov_map_1_2_8554.name=provisioner-2-8554
uci set firewall.prov_map_1_2_8554.target=DNAT
uci set firewall.prov_map_1_2_8554.src=prov
uci set firewall.prov_map_1_2_8554.dest=lan
uci set firewall.prov_map_1_2_8554.proto=tcp
uci set firewall.prov_map_1_2_8554.src_ip=10.91.0.1
uci set firewall.prov_map_1_2_8554.src_dip=10.91.0.66
uci set firewall.prov_map_1_2_8554.src_dport=8554
uci set firewall.prov_map_1_2_8554.dest_ip=192.168.1.31
uci set firewall.prov_map_1_2_8554.dest_port=8554
uci set firewall.prov_map_1_2_8554.reflection=0
uci set firewall.prov_map_1_3_554=redirect
uci set firewall.prov_map_1_3_554.name=provisioner-3-554
uci set firewall.prov_map_1_3_554.target=DNAT
uci set firewall.prov_map_1_3_554.src=prov
uci set firewall.prov_map_1_3_554.dest=lan
uci set firewall.prov_map_1_3_554.proto=tcp
uci set firewall.prov_map_1_3_554.src_ip=10.91.0.1
uci set firewall.prov_map_1_3_554.src_dip=10.91.0.67
uci set firewall.prov_map_1_3_554.src_dport=554
uci set firewall.prov_map_1_3_554.dest_ip=192.168.1.20
uci set firewall.prov_map_1_3_554.dest_port=554
uci set firewall.prov_map_1_3_554.reflection=0
uci set firewall.prov_snat_1=nat
uci set firewall.prov_snat_1.name=provisioner-snat
uci set firewall.prov_snat_1.src=lan
uci set firewall.prov_snat_1.proto=tcp
uci set firewall.prov_snat_1.src_ip=10.91.0.1
uci set firewall.prov_snat_1.target=MASQUERADE
uci set firewall.prov_map_2_1_554=redirect
uci set firewall.prov_map_2_1_554.name=provisioner-1-554
uci set firewall.prov_map_2_1_554.target=DNAT
uci set firewall.prov_map_2_1_554.src=prov
uci set firewall.prov_map_2_1_554.dest=lan
uci set firewall.prov_map_2_1_554.proto=tcp
uci set firewall.prov_map_2_1_554.src_ip=10.92.0.1
uci set firewall.prov_map_2_1_554.src_dip=10.92.0.65
uci set firewall.prov_map_2_1_554.src_dport=554
uci set firewall.prov_map_2_1_554.dest_ip=192.168.1.30
uci set firewall.prov_map_2_1_554.dest_port=554
uci set firewall.prov_map_2_1_554.reflection=0
uci set firewall.prov_map_2_1_8000=redirect
uci set firewall.prov_map_2_1_8000.name=provisioner-1-8000
uci set firewall.prov_map_2_1_8000.target=DNAT
uci set firewall.prov_map_2_1_8000.src=prov
uci set firewall.prov_map_2_1_8000.dest=lan
uci set firewall.prov_map_2_1_8000.proto=tcp
uci set firewall.prov_map_2_1_8000.src_ip=10.92.0.1
uci set firewall.prov_map_2_1_8000.src_dip=10.92.0.65
uci set firewall.prov_map_2_1_8000.src_dport=8000
uci set firewall.prov_map_2_1_8000.dest_ip=192.168.1.30
uci set firewall.prov_map_2_1_8000.dest_port=8000
uci set firewall.prov_map_2_1_8000.reflection=0
uci set firewall.prov_map_2_2_8554=redirect
uci set firewall.prov_map_2_2_8554.name=provisioner-2-8554
uci set firewall.prov_map_2_2_8554.target=DNAT
uci set firewall.prov_map_2_2_8554.src=prov
uci set firewall.prov_map_2_2_8554.dest=lan
uci set firewall.prov_map_2_2_8554.proto=tcp
uci set firewall.prov_map_2_2_8554.src_ip=10.92.0.1
uci set firewall.prov_map_2_2_8554.src_dip=10.92.0.66
uci set firewall.prov_map_2_2_8554.src_dport=8554
uci set firewall.prov_map_2_2_8554.dest_ip=192.168.1.31
uci set firewall.prov_map_2_2_8554.dest_port=8554
uci set firewall.prov_map_2_2_8554.reflection=0
uci set firewall.prov_map_2_3_554=redirect
uci set firewall.prov_map_2_3_554.name=provisioner-3-554
uci set firewall.prov_map_2_3_554.target=DNAT
uci set firewall.prov_map_2_3_554.src=prov
uci set firewall.prov_map_2_3_554.dest=lan
uci set firewall.prov_map_2_3_554.proto=tcp
uci set firewall.prov_map_2_3_554.src_ip=10.92.0.1
uci set firewall.prov_map_2_3_554.src_dip=10.92.0.67
uci set firewall.prov_map_2_3_554.src_dport=554
uci set firewall.prov_map_2_3_554.dest_ip=192.168.1.20
uci set firewall.prov_map_2_3_554.dest_port=554
uci set firewall.prov_map_2_3_554.reflection=0
uci set firewall.prov_snat_2=nat
uci set firewall.prov_snat_2.name=provisioner-snat
uci set firewall.prov_snat_2.src=lan
uci set firewall.prov_snat_2.proto=tcp
uci set firewall.prov_snat_2.src_ip=10.92.0.1
uci set firewall.prov_snat_2.target=MASQUERADE
uci commit network
uci commit firewall
/etc/init.d/network reload >&2
/etc/init.d/firewall reload >&2
wg pubkey <"$keys/wg.key"
