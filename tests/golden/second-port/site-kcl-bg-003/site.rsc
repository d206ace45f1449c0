# Managed by provisioner: the tunnel and the port map of kcl-bg-003, for RouterOS 7.
# Copy this file to the router and run: /import file-name=site.rsc
# Safe to import again: the router's key is made once and kept. It holds the site's pre-shared keys: remove it afterwards.
# The last line that it prints is the router's public key, which goes into the facility's file at gateway.public_key.
# Valid until the end of 2021-07-12, by this router's clock; one that is before the day on which the package was
# made is wrong, and says nothing. The clock says 2021-06-12, or jun/12/2021 before RouterOS 7.10.
:local day [/system clock get date]
:local number ""
:if ([:pick $day 4 5] = "-") do={ :set number ([:pick $day 0 4] . [:pick $day 5 7] . [:pick $day 8 10]) }
:if ([:pick $day 3 4] = "/") do={ :local month ([:find "janfebmaraprmayjunjulaugsepoctnovdec" [:pick $day 0 3]] / 3 * 2); :set number ([:pick $day 7 11] . [:pick "010203040506070809101112" $month ($month + 2)] . [:pick $day 4 6]) }
:set number [:tonum $number]
:if ([:typeof $number] != "num") do={ :set number 0 }
:if ($number > 20210712) do={ :error "site.rsc: this package expired: it was valid until 2021-07-12, and the clock here says $day now; nothing was changed, ask the NOC of the carrier for a new package" }
:if ($number < 20210612) do={ :put "site.rsc: the clock here cannot be trusted, it says $day now, and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock" }
:if ([:len [/interface find name="br-lan"]] = 0) do={ :error "site.rsc: this router has no interface br-lan: nothing was changed" }
:if ([:len [/interface wireguard find name="wg-prov"]] = 0) do={ /interface wireguard add name="wg-prov" mtu=1380 comment="provisioner" }
/interface wireguard set [find name="wg-prov"] mtu=1380
# Relays that serve this site no longer, and then those that do.
:foreach peer in=[/interface wireguard peers find interface="wg-prov"] do={
  :local key [/interface wireguard peers get $peer public-key]
  :if (!($key = "rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ=" || $key = "z5D+lOXQD4d10dTBCEL0tK5fpar+aS0tqipIogDtkzg=")) do={ /interface wireguard peers remove $peer }
}
:if ([:len [/interface wireguard peers find interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ="]] = 0) do={ /interface wireguard peers add interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ=" allowed-address=10.91.0.1/32 }
/interface wireguard peers set [find interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ="] preshared-key="B30HfZhwMqwCkhFMHb0uEInUfKVVHT8e4G9G3QRJT0E=" endpoint-address="203.0.113.11" endpoint-port=443 allowed-address=10.91.0.1/32 persistent-keepalive=25s comment="provisioner relay/relay-viettel-1"
:if ([:len [/interface wireguard peers find interface="wg-prov" public-key="z5D+lOXQD4d10dTBCEL0tK5fpar+aS0tqipIogDtkzg="]] = 0) do={ /interface wireguard peers add interface="wg-prov" public-key="z5D+lOXQD4d10dTBCEL0tK5fpar+aS0tqipIogDtkzg=" allowed-address=10.91.0.2/32 }
/interface wireguard peers set [find interface="wg-prov" public-key="z5D+lOXQD4d10dTBCEL0tK5fpar+aS0tqipIogDtkzg="] preshared-key="B30HfZhwMqwCkhFMHb0uEInUfKVVHT8e4G9G3QRJT0E=" endpoint-address="relay-2.example.com" endpoint-port=443 allowed-address=10.91.0.2/32 persistent-keepalive=25s comment="provisioner relay/relay-viettel-2"
/ip address remove [find interface="wg-prov"]
/ip route remove [find comment="provisioner"]
/ip address add address=10.91.0.5/32 interface="wg-prov" comment="provisioner"
/ip route add dst-address=10.91.0.1/32 gateway="wg-prov" comment="provisioner"
/ip route add dst-address=10.91.0.2/32 gateway="wg-prov" comment="provisioner"
# The port map: what a relay sends to a port of this site's address goes to that device, and comes from the router.
/ip firewall nat remove [find comment="provisioner"]
/ip firewall nat add chain=dstnat in-interface="wg-prov" src-address=10.91.0.1 dst-address=10.91.0.5 protocol=tcp dst-port=10554 action=dst-nat to-addresses=192.168.1.11 to-ports=554 comment="provisioner"
/ip firewall nat add chain=srcnat out-interface="br-lan" src-address=10.91.0.1 protocol=tcp action=masquerade comment="provisioner"
/ip firewall nat add chain=dstnat in-interface="wg-prov" src-address=10.91.0.2 dst-address=10.91.0.5 protocol=tcp dst-port=10554 action=dst-nat to-addresses=192.168.1.11 to-ports=554 comment="provisioner"
/ip firewall nat add chain=srcnat out-interface="br-lan" src-address=10.91.0.2 protocol=tcp action=masquerade comment="provisioner"
# Nothing else comes in by the tunnel. These stand before the router's own rules; the last one written stands first.
/ip firewall filter remove [find comment="provisioner"]
# A router without any rule has none to stand before.
:if ([:len [/ip firewall filter find dynamic=no]] = 0) do={ /ip firewall filter add chain=forward in-interface="wg-prov" action=drop comment="provisioner" }
:if ([:len [/ip firewall filter find comment="provisioner"]] = 0) do={ /ip firewall filter add chain=forward in-interface="wg-prov" action=drop comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0] }
/ip firewall filter add chain=forward in-interface="wg-prov" out-interface="br-lan" connection-nat-state=dstnat action=accept comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
/ip firewall filter add chain=forward in-interface="wg-prov" connection-state=established,related action=accept comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
/ip firewall filter add chain=input in-interface="wg-prov" action=drop comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
# Told to the relay, so that it knows a port that is not mapped from a camera that does not answer.
/ip firewall filter add chain=input in-interface="wg-prov" limit=20,60:packet action=reject reject-with=icmp-port-unreachable comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
/ip firewall filter add chain=input in-interface="wg-prov" protocol=icmp action=accept comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
/ip firewall filter add chain=input in-interface="wg-prov" connection-state=established,related action=accept comment="provisioner" place-before=[:pick [/ip firewall filter find dynamic=no] 0]
# Segments fit the tunnel.
/ip firewall mangle remove [find comment="provisioner"]
/ip firewall mangle add chain=forward out-interface="wg-prov" protocol=tcp tcp-flags=syn action=change-mss new-mss=clamp-to-pmtu passthrough=yes comment="provisioner"
/ip firewall mangle add chain=forward in-interface="wg-prov" protocol=tcp tcp-flags=syn action=change-mss new-mss=clamp-to-pmtu passthrough=yes comment="provisioner"
/system scheduler remove [find name="provisioner-names"]
# A relay that is known by its name is asked for anew while it has not been heard of for three minutes.
/system scheduler add name="provisioner-names" interval=1m comment="provisioner" on-event=":foreach peer in=[/interface wireguard peers find interface=wg-prov] do={ :local last [/interface wireguard peers get \$peer last-handshake]; :if ([:typeof \$last] != \"time\" || \$last > 3m) do={ /interface wireguard peers disable \$peer; /interface wireguard peers enable \$peer } }"
:put [/interface wireguard get [find name="wg-prov"] public-key]
