# Managed by provisioner: the next key of the gateway of kcl-bg-002, for RouterOS 7.
# Copy this file to the router and run: /import file-name=next-key.rsc
# Makes the next key beside the present one and changes nothing else. The last line that it prints is its public half.
:if ([:len [/interface wireguard find name="wg-prov"]] = 0) do={ :error "next-key.rsc: this router has no wg-prov: nothing was changed" }
:if ([:len [/interface wireguard find name="provisioner-next"]] = 0) do={ /interface wireguard add name="provisioner-next" disabled=yes comment="provisioner" }
:put [/interface wireguard get [find name="provisioner-next"] public-key]
