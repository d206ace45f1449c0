# Managed by provisioner: takes the next key of the gateway of kcl-bg-002 into use, for RouterOS 7.
# Once its public half is noted and applied, copy this file to the router and run: /import file-name=switch-key.rsc
# A router that no relay answers by its new key within 20 seconds goes back to the present one by itself.
# It holds the site's next pre-shared keys: remove it afterwards.
# Valid until the end of 2021-07-12, by this router's clock; one that is before the day on which the package was
# made is wrong, and says nothing. The clock says 2021-06-12, or jun/12/2021 before RouterOS 7.10.
:local day [/system clock get date]
:local number ""
:if ([:pick $day 4 5] = "-") do={ :set number ([:pick $day 0 4] . [:pick $day 5 7] . [:pick $day 8 10]) }
:if ([:pick $day 3 4] = "/") do={ :local month ([:find "janfebmaraprmayjunjulaugsepoctnovdec" [:pick $day 0 3]] / 3 * 2); :set number ([:pick $day 7 11] . [:pick "010203040506070809101112" $month ($month + 2)] . [:pick $day 4 6]) }
:set number [:tonum $number]
:if ([:typeof $number] != "num") do={ :set number 0 }
:if ($number > 20210712) do={ :error "switch-key.rsc: this package expired: it was valid until 2021-07-12, and the clock here says $day now; nothing was changed, ask the NOC of the carrier for a new package" }
:if ($number < 20210612) do={ :put "switch-key.rsc: the clock here cannot be trusted, it says $day now, and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock" }
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
