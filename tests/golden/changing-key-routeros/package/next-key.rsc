# Managed by provisioner: the next key of the gateway of kcl-bg-002, for RouterOS 7.
# Copy this file to the router and run: /import file-name=next-key.rsc
# Makes the next key beside the present one and changes nothing else. The last line that it prints is its public half.
# Valid until the end of 2021-07-12, by this router's clock; one that is before the day on which the package was
# made is wrong, and says nothing. The clock says 2021-06-12, or jun/12/2021 before RouterOS 7.10.
:local day [/system clock get date]
:local number ""
:if ([:pick $day 4 5] = "-") do={ :set number ([:pick $day 0 4] . [:pick $day 5 7] . [:pick $day 8 10]) }
:if ([:pick $day 3 4] = "/") do={ :local month ([:find "janfebmaraprmayjunjulaugsepoctnovdec" [:pick $day 0 3]] / 3 * 2); :set number ([:pick $day 7 11] . [:pick "010203040506070809101112" $month ($month + 2)] . [:pick $day 4 6]) }
:set number [:tonum $number]
:if ([:typeof $number] != "num") do={ :set number 0 }
:if ($number > 20210712) do={ :error "next-key.rsc: this package expired: it was valid until 2021-07-12, and the clock here says $day now; nothing was changed, ask the NOC of the carrier for a new package" }
:if ($number < 20210612) do={ :put "next-key.rsc: the clock here cannot be trusted, it says $day now, and this package was made on 2021-06-12: whether it has expired was not checked; it is valid until 2021-07-12, so hold that against today, and set the clock" }
:if ([:len [/interface wireguard find name="wg-prov"]] = 0) do={ :error "next-key.rsc: this router has no wg-prov: nothing was changed" }
:if ([:len [/interface wireguard find name="provisioner-next"]] = 0) do={ /interface wireguard add name="provisioner-next" disabled=yes comment="provisioner" }
:put [/interface wireguard get [find name="provisioner-next"] public-key]
