# Managed by provisioner: takes the next key of the gateway of kcl-bg-002 into use, for RouterOS 7.
# Once its public half is noted and applied, copy this file to the router and run: /import file-name=switch-key.rsc
# A router that no relay answers by its new key within 20 seconds goes back to the present one by itself.
# It holds the site's next pre-shared keys: remove it afterwards.
:if ([:len [/interface wireguard find name="provisioner-next"]] = 0) do={ :error "switch-key.rsc: there is no next key: import next-key.rsc first, and report what it prints" }
:if ([/interface wireguard get [find name="provisioner-next"] public-key] != "gHHEpDamUeprrIR5QLOPRiTI06cBgEbZCjIwtyRYT/4=") do={ :error "switch-key.rsc: the next key of this router is another one than was reported: import next-key.rsc, and report what it prints" }
:local before [/interface wireguard get [find name="wg-prov"] private-key]
:local psk1 [/interface wireguard peers get [find interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ="] preshared-key]
/interface wireguard set [find name="wg-prov"] private-key=[/interface wireguard get [find name="provisioner-next"] private-key]
/interface wireguard peers set [find interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ="] preshared-key="A14cSqCtf5fHYS7rqsRNGOaFNJ+MaMllfWHjraj7UHo="
:local seen false
:for second from=1 to=20 do={
  :if (!$seen) do={
    /ping address=10.91.0.1 count=1
    :delay 1s
    :foreach peer in=[/interface wireguard peers find interface="wg-prov"] do={ :local last [/interface wireguard peers get $peer last-handshake]; :if ([:typeof $last] = "time" && $last < [:totime "$second"]) do={ :set seen true } }
  }
}
:if (!$seen) do={
  /interface wireguard set [find name="wg-prov"] private-key=$before
  /interface wireguard peers set [find interface="wg-prov" public-key="rLfItXU4H7etCJubjoBtTBMEqsGFBzgQaPS66eE4yXQ="] preshared-key=$psk1
  :error "switch-key.rsc: no relay answers by the new key, and this router has its present one again: has the change been applied?"
}
/interface wireguard remove [find name="provisioner-next"]
:put [/interface wireguard get [find name="wg-prov"] public-key]
