# Takes the gateway of kcl-bg-002 out of service, on RouterOS 7: this facility is closed, and no relay knows
# the router's key any more. Copy this file to the router and run: /import file-name=take-down.rsc
# Safe to import again. The tunnel goes with its key and its pre-shared keys; rules, routes and addresses of provisioner go.
/system scheduler remove [find name="provisioner-names"]
/ip firewall filter remove [find comment="provisioner"]
/ip firewall nat remove [find comment="provisioner"]
/ip firewall mangle remove [find comment="provisioner"]
/ip route remove [find comment="provisioner"]
/ip address remove [find interface="wg-prov"]
/interface wireguard peers remove [find interface="wg-prov"]
/interface wireguard remove [find name="wg-prov"]
:put "nothing of kcl-bg-002 is left on this router; remove its older packages too, they hold its pre-shared keys"
