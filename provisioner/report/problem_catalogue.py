"""Every problem code with its meaning and remedy; meanings never change.

`docs/reference/problems.md` and the rules in SARIF files are made from this table, and a test compares it with the
code. Codes of contacts' cells (`phone-…`, `email-…`) have their sentences in `contacts.messages`. Imports nothing of
ours.
"""

from __future__ import annotations

from typing import NamedTuple


class ProblemEntry(NamedTuple):
    """The meaning of a code and its remedy, a sentence each."""

    meaning: str
    mending: str


_Section = dict[str, tuple[str, str]]

_FILES: _Section = {
    "file-missing": (
        "A file that every inventory has is not there.",
        "Write it; `provisioner schema` prints what it holds.",
    ),
    "file-unexpected": (
        "A YAML file stands where nothing reads it.",
        "Move it to its place, or take it out of the inventory.",
    ),
    "file-unreadable": ("A file cannot be read.", "Correct its permissions."),
    "folder-unreadable": (
        "A folder cannot be read: what it holds is not checked.",
        "Correct the folder's permissions.",
    ),
    "link-outside": (
        "A link leads out of its folder of the inventory: nothing is read over it.",
        "Put what it leads to in its place; contacts of their own are named with `--contacts`.",
    ),
    "facility-file-misplaced": (
        "A facility's file is not named by its id, or not in its province's folder.",
        "Move the file, or correct the id or the province in it.",
    ),
    "carrier-file-misplaced": ("A carrier's file is not named by its id.", "Rename the file, or correct the id."),
    "centre-file-misplaced": ("A centre's file is not named by its id.", "Rename the file, or correct the id."),
    "facility-id-duplicate": (
        "Two facilities have one id; ids are unique in the whole inventory.",
        "Give one of the two another id.",
    ),
    "secret-not-encrypted": (
        "A file under secrets/ is in the clear.",
        "Encrypt it; if it was ever committed, change what it holds.",
    ),
    "contacts-not-encrypted": (
        "A file under contacts/ is in the clear.",
        "Encrypt it; if it was ever committed, the persons have to be told.",
    ),
}

_YAML: _Section = {
    "yaml-syntax": ("The file is not YAML.", "Look at indentation, brackets and quotes around the place."),
    "yaml-encoding": (
        "The file is not UTF-8 text, or holds a control character or a line break that nobody sees.",
        "Save it as UTF-8, with ordinary line breaks.",
    ),
    "yaml-too-large": ("The file is larger than any inventory needs.", "Split it, or find out what fills it."),
    "yaml-depth": ("The file is nested deeper than any inventory needs.", "Write it flatter."),
    "yaml-documents": ("A file holds more than one document.", "Keep one document a file."),
    "yaml-directive": ("A % directive stands at the beginning.", "Remove the line."),
    "yaml-anchor": ("An anchor (&name) is used.", "Write the value out where it is used."),
    "yaml-alias": ("An alias (*name) is used.", "Write the value out; quote a text that begins with *."),
    "yaml-merge": ("A merge key (<<) is used.", "Write the keys out."),
    "yaml-tag": ("A tag (!name) is used.", "Remove it; quote the value where a text is meant."),
    "yaml-template": ("A template ({{ … }}) stands where a value belongs.", "Write the value itself."),
    "yaml-key": ("A key is not a text.", "Quote the key."),
    "yaml-too-many-faults": ("So many faults that the rest of the file is not judged.", "Correct the first ones."),
    "key-duplicate": ("A key stands twice in one mapping; readers differ in which one counts.", "Remove one."),
}

_VALUES: _Section = {
    "key-missing": ("A key that has to be there is not.", "Add it."),
    "key-unknown": ("A key is not known; it would be ignored by anybody less strict.", "Correct or remove it."),
    "value-invalid": ("A value is of another type or form than its key allows.", "Write what the hint says."),
    "zone-forbidden": (
        "A camera is said to look into a room, toilet or bath, which order 4403/CV-BCĐ forbids.",
        "Move the camera, or leave it out.",
    ),
    "host-user-unsafe": (
        "An SSH user's name has signs that Ansible could take for a template.",
        "Use letters, digits and '_.:-'.",
    ),
    "problems-not-listed": ("One file has more problems than are listed.", "Correct the ones listed first."),
}

_ORDERS: _Section = {
    "province-unknown": ("A slug is not of the list of provinces that it is said to be of.", "Correct it."),
    "province-scheme-newer": (
        "A facility's list of provinces is newer than the inventory's.",
        "Move the inventory on to the newer list.",
    ),
    "managing-body-ended": (
        "A facility is said to be a district's, and there are no districts since 2025-07-01.",
        "Write who runs it now: `ubnd_xa` or `ubnd_tinh`.",
    ),
    "designation-period": ("A designation ends before it begins.", "Correct one of the two days."),
    "designation-duplicate": (
        "A carrier is designated for a province twice for the same days.",
        "Leave one of the two out.",
    ),
    "instruction-duplicate": ("An order stands twice.", "Leave one of the two out."),
    "instruction-deadline": ("An order's deadline is not after its day of issue.", "Correct one of the two days."),
    "instruction-unknown": ("An order refers to one that is not there before it.", "Add that, or correct it."),
    "facility-unknown": ("An order or a withdrawal names a facility that does not exist.", "Correct the id."),
    "carrier-unknown": ("A carrier is named that has no file.", "Write its file, or correct the name."),
    "carrier-not-designated": (
        "A facility's carrier is not designated for its province on the day.",
        "Correct the plan, or add the ministry's designation with its source.",
    ),
    "carrier-change-due": (
        "The province has another carrier by now, and the facility has not.",
        "Write a successor plan with the new carrier; both serve until it is accepted.",
    ),
}

_PLANS: _Section = {
    "plan-incomplete": ("An agreed plan lacks the gateway or the cameras.", "Add them, or propose it only."),
    "sign-off-missing": (
        "An agreed plan is not signed by DIC, Health and the carrier.",
        "Record the agreement with `sign-off`.",
    ),
    "sign-off-stale": (
        "What was signed was edited since.",
        "Undo the edit, or have it agreed again and record that with `sign-off`.",
    ),
    "sign-off-claimed": (
        "An agreed plan lacks a party's signature, which policy.sign_offs asks for, or for which it has a key.",
        "Let the party sign what `sign-off --statement` prints, and record its signature.",
    ),
    "sign-off-forged": (
        "A sign-off's signature is none, or is of something else than the sign-off says.",
        "Take it back from Git, or let the party sign anew.",
    ),
    "sign-off-of-another-inventory": (
        "A signature was made for another inventory.",
        "Let the party sign for this one.",
    ),
    "sign-off-key-not-allowed": (
        "A signature is by a key that signers.yml does not have for that party.",
        "Let the party sign by a key that is there, or have its key added there in a change of its own.",
    ),
    "sign-off-key-expired": (
        "A signature is of a day on which its key did not sign for the party.",
        "Let the party sign by the key that it has now.",
    ),
    "sign-off-withdrawn": (
        "A sign-off is of a day whose agreements signers.yml withdraws.",
        "Let all three agree to what the plan says now.",
    ),
    "signer-key-unusable": ("A key in signers.yml is none.", "Write the first two words of the office's .pub file."),
    "signer-key-shared": (
        "Two parties have one key, so that one of them could sign for both.",
        "Let each office make a key of its own.",
    ),
    "approver-key-shared": (
        "Two persons who approve plans have one key, so that one of them could approve for both.",
        "Let each person make a key of its own.",
    ),
    "approvers-lacking": (
        "A rule of policy.approvals asks for more people than could approve for a carrier's hosts.",
        "Add approvers to signers.yml, or ask for fewer people.",
    ),
    "signer-period": ("A key's last day is before its first.", "Correct one of the two days."),
    "sign-off-duplicate": ("One party signed one plan twice.", "Keep the newer one."),
    "survey-counts": ("A survey has more cameras that will do than cameras.", "Correct one of the two counts."),
    "opening-missing": (
        "A facility is prepared for people, and nobody wrote when they come.",
        "Add `opens_on`.",
    ),
    "survey-missing": ("A plan was agreed without a survey.", "Add what was found there."),
    "successor-without-plan": ("A successor follows no plan.", "Write the plan that it follows."),
    "successor-same-relay": ("A successor has the plan's own relay.", "Name the relay that the site moves to."),
    "gateway-interface-missing": (
        "A gateway with a tunnel has no interface in the site's network.",
        "Write `gateway.lan_interface`; only a `routed` site needs none.",
    ),
    "successor-other-access": (
        "A successor reaches the site's devices in another way than the plan.",
        "Write the same access in both; change it when one of the two is gone.",
    ),
    "date-in-the-future": ("What is noted as done is of a day to come.", "Write the day on which it was done."),
    "dates-in-disorder": ("Two days contradict each other.", "Correct one of the two."),
    "block-overdue": ("What was to be done about a blocked facility is overdue.", "Write what is next and until when."),
}

_HOSTS: _Section = {
    "drain-leads-nowhere": (
        "A relay is to be emptied onto one that is not another relay of its carrier, or is being emptied itself.",
        "Name one that goes on, or remove `drain_to`.",
    ),
    "plan-on-drained-relay": (
        "A plan is over a relay that is being emptied onto another one.",
        "Run `relay drain` again: it takes up what has come since.",
    ),
    "host-id-duplicate": ("Two relays or centres have one id.", "Give one of them another id."),
    "host-address-duplicate": ("Two hosts have one address.", "Correct one of the two."),
    "relay-endpoint-duplicate": (
        "Peers of two relays are to send WireGuard to one endpoint.",
        "Write each relay's own, or another wireguard_port.",
    ),
    "relay-endpoint-unusable": (
        "A relay's endpoint is an address to which nobody can send.",
        "Write the address at which sites reach the relay.",
    ),
    "relay-endpoint-unnumbered": (
        "A relay's endpoint is a name, and no address beside it says where centres send WireGuard.",
        "Write endpoint_address.",
    ),
    "relay-endpoint-twice": (
        "An endpoint_address stands beside an endpoint that is an address itself.",
        "Remove it, or write the name under endpoint.",
    ),
    "wireguard-port-unfit": (
        "A relay is to take WireGuard at a further port that something else has, or that is named twice.",
        "Take it out of further_wireguard_ports, or write another one.",
    ),
    "relay-port-not-offered": (
        "A gateway is to dial a port at which its relay, backup relay or next relay takes no WireGuard.",
        "Write one that all of them take, or add it to further_wireguard_ports of the relay.",
    ),
    "host-address-unusable": (
        "A host is called at an IPv6 address that is none of one host, or of a link alone.",
        "Write an address that this machine reaches.",
    ),
    "management-of-other-family": (
        "A host is called over IPv6 and may be managed from IPv4 networks alone, or the other way round.",
        "Add the network that this machine calls from to management_networks.",
    ),
    "endpoint-in-management-network": (
        "Sites are to send WireGuard into a management network, which they seldom reach.",
        "Write under endpoint the address at which sites reach the relay.",
    ),
    "ssh-port-taken": (
        "SSH to a relay is to go to a port that MediaMTX takes there.",
        "Let sshd listen on another port, and write that.",
    ),
    "ssh-host-key-unknown": (
        "Nothing says which SSH host key a host has.",
        "Write ssh.host_key, or host_ca, the key of who signs hosts' keys.",
    ),
    "jump-outside-management": (
        "A jump host's address is in no management network of the hosts behind it: their rules would shut it out.",
        "Add the address to management_networks, or write under jump.inside the one that hosts see.",
    ),
    "jump-without-inside": (
        "A jump host is called by name, and nothing says which address hosts see it come from.",
        "Write that address under jump.inside.",
    ),
    "jump-of-other-family": (
        "A host is called in one family of addresses, and its jump host would come from an address of the other.",
        "Write under jump.inside the address that the host sees.",
    ),
    "jump-is-the-host": ("A host is its own jump host.", "Write the host that SSH goes through."),
    "jump-in-pool": (
        "A jump host's address lies in a pool of tunnel addresses.",
        "Write its outer address.",
    ),
    "centre-unknown": ("A carrier names a centre that has no file.", "Write its file, or correct the name."),
    "centre-without-management": (
        "A centre has no management network: no carrier names it, and it names none itself.",
        "Name it under centres of a carrier, or write management_networks.",
    ),
    "centre-duplicate": ("A carrier names a centre twice.", "Name it once."),
    "certificate-broken": (
        "What is recorded as a relay's certificate is none.",
        "Take the lock back from Git; `provisioner certificate renew` makes another one.",
    ),
    "certificate-ends": (
        "The certificate that a relay shows readers ends soon, or has ended.",
        "Make another one with `provisioner certificate renew`, or have one signed, and apply.",
    ),
    "viewer-duplicate": (
        "Two viewers have one id: they would be one user of MediaMTX, with one password.",
        "Give one of the two another id.",
    ),
    "viewer-beyond-centre": (
        "A viewer would read what its centre itself may not read.",
        "Add it to the centre's reads, or take it from the viewer's.",
    ),
    "viewer-without-networks": (
        "A viewer reads at a hub, and nothing says from which networks it comes.",
        "Write its networks.",
    ),
    "viewer-networks-unused": (
        "A viewer has networks at a centre that is no hub: it comes from the centre itself.",
        "Take them out, or make the centre a hub.",
    ),
    "viewer-network-open": (
        "A viewer may come to a hub from so wide a network that it is nearly anybody.",
        "Write the networks that it really has.",
    ),
    "hub-shared": (
        "A centre that several inventories share is to be a hub.",
        "Give the hub a host of its own.",
    ),
    "hub-without-carriers": (
        "A hub is named by no carrier: it would offer nothing.",
        "Name it under centres of a carrier.",
    ),
    "read-prefix-unknown": (
        "Somebody may read the paths of a province or a facility that does not exist.",
        "Correct the slug or the id.",
    ),
    "read-prefix-twice": ("What somebody may read is listed twice.", "Leave one of the two out."),
    "facility-read-by-nobody": (
        "No centre of a carrier may read some of its facilities: no verification proves them at a centre.",
        "Add their province to `reads` of a centre.",
    ),
    "relay-unknown": ("A plan names a relay that does not exist.", "Choose one of the carrier's relays."),
    "backup-relay-unfit": (
        "A plan's backup relay is no other relay of its carrier.",
        "Name another relay of the carrier, or remove it.",
    ),
    "relay-of-other-carrier": ("A plan's relay belongs to another carrier.", "Choose one of the plan's carrier."),
    "relay-over-capacity": (
        "A relay would carry more paths than it was measured to bear.",
        "Move facilities, or raise max_paths.",
    ),
    "next-key-first": (
        "A gateway has a next key, and no present one that it follows.",
        "Remove next_key; a first key is noted with `gateway set-key`.",
    ),
    "public-key-duplicate": ("Two peers have one WireGuard key.", "Make a new key on one of the two."),
    "pool-missing": ("A carrier has no pool of tunnel addresses.", "Add one in inventory.yml."),
    "pool-too-small": ("A pool has no room for two addresses.", "Write a network of /30 or larger."),
    "pool-overlap": ("Two pools overlap.", "Choose separate networks."),
    "pool-over-carrier-network": (
        "A pool overlaps a network of a carrier: relays would lose their way to it.",
        "Choose another network.",
    ),
    "host-address-in-pool": ("A host's outer address lies in a tunnel pool.", "Write its outer address."),
    "management-network-open": ("A management network is so wide that it protects nothing.", "Name the NOC's."),
    "freeze-in-disorder": ("A freeze of changes ends before it begins.", "Correct one of the two moments."),
    "maintenance-in-disorder": (
        "A maintenance window ends before it begins.",
        "Correct one of the two moments.",
    ),
    "maintenance-of-nothing": (
        "A maintenance window names nothing.",
        "Name facilities, hosts or carriers, or write `everything: true`.",
    ),
    "maintenance-name-unknown": (
        "A maintenance window names what does not exist.",
        "Correct the id, or leave it out.",
    ),
    "maintenance-too-long": (
        "A maintenance window lasts longer than a week: its paths raise no alarm for all that time.",
        "Announce the days on which somebody works.",
    ),
    "maintenance-over": ("A maintenance window has ended.", "Remove the entry."),
    "maintenance-overlaps": (
        "Two maintenance windows are about one thing at one time.",
        "Make one of the two, or correct their moments.",
    ),
    "intent-twice": ("Two intents have one id.", "Give each an id of its own."),
    "intent-name-unknown": (
        "An intent names what does not exist: it would hold nothing back.",
        "Correct the id, or leave it out.",
    ),
    "intent-service-unknown": (
        "An intent asks for a service that none of its targets has.",
        "Name one that they have, or leave `services` out.",
    ),
    "intent-broken": (
        "What has to be reached is not, or what must not be is; plans that would make it so are refused.",
        "Undo the edit, or change the intent and have that reviewed; provisioner prove --why says which rule decides.",
    ),
    "move-unsound": ("An entry under `moved` does not lead from an old id to a new one.", "Correct the entry."),
    "move-over": ("An old name is served beyond its day.", "See who still reads it; then remove the entry."),
    "move-unfinished": (
        "Secrets of a moved id still stand under the old one.",
        "Rename logins, run `provisioner keys init`; then remove the entry of `moved`.",
    ),
    "protected-removed": (
        "Something protected is not in the inventory any more.",
        "Take it back, or lift its protection first.",
    ),
}

_SITES: _Section = {
    "device-id-duplicate": ("Two devices of one facility have one id.", "Give one of them another id."),
    "recorder-unknown": ("A camera names a recorder that the facility does not have.", "List it, or correct it."),
    "channel-duplicate": ("Two cameras are one channel of one recorder.", "Correct the channel."),
    "channel-unknown": ("A channel is not one of those that its recorder has.", "Correct the channel."),
    "recorder-over-capacity": (
        "More would be asked of a recorder than it serves.",
        "Leave out main streams, or contract lower rates.",
    ),
    "uplink-over-capacity": (
        "The sub streams, or these and one main stream, need more than the line sends.",
        "Contract lower rates, or a faster line.",
    ),
    "accept-over": (
        "The last day is over on which an old login or picture was taken as well: only the new one counts.",
        "Finish the change with `provisioner camera accept --finish`.",
    ),
    "accept-too-long": (
        "An old login or picture is to be taken for longer than a quarter of a year.",
        "Name an earlier day with `provisioner camera accept --until`.",
    ),
    "address-outside-lan": ("A device's address is not in the gateway's LAN.", "Correct the address or the LAN."),
    "address-duplicate": ("Two devices answer at one address and port.", "Correct one of the two."),
    "onvif-port-duplicate": (
        "Something else of the facility answers where a device is to be asked by ONVIF.",
        "Write the port of the device's ONVIF service.",
    ),
    "password-in-path": (
        "An RTSP path, or the address of a mirror, holds a login that is written out.",
        "Write {username} and {password} in its place, and change the password on the device if it was committed.",
    ),
    "password-in-text": (
        "A text says what a password is.",
        "Take it out, and change the password on the device if it was committed: Git does not forget.",
    ),
    "personal-in-text": (
        "A text holds a phone number or an e-mail address: pages and spreadsheets are made of it.",
        "Take it out; people stand in contacts/ alone. If it was committed, rewrite the history.",
    ),
    "text-like-a-password": (
        "A word in a text is made like a password.",
        "Take it out if it is one; otherwise write it in words.",
    ),
    "markup-in-text": (
        "A text holds tags of a page or a spreadsheet's formula.",
        "Write it in plain words: pages and spreadsheets show it letter by letter.",
    ),
    "rtsp-path-reference": (
        "An RTSP path refers to something that nothing fills in.",
        "Write {username} or {password}, or other braces as %7B and %7D.",
    ),
    "rtsp-path-missing": ("The make has no RTSP path that is known.", "Write the stream's rtsp_path."),
    "lan-over-endpoint": (
        "A facility's LAN has the address in it to which its gateway is to send WireGuard.",
        "Correct the LAN, or write under endpoint of the relay where the site reaches it.",
    ),
    "routed-network-over-pool": (
        "A network of sites without a tunnel overlaps a pool of tunnel addresses.",
        "Name the networks of the sites alone.",
    ),
    "routed-network-over-management": (
        "A network of sites without a tunnel overlaps a management network: SSH would come in from a site.",
        "Name the networks of the sites alone.",
    ),
    "routed-lan-outside": (
        "The LAN of a site without a tunnel lies in none of its carrier's `routed_networks`.",
        "Correct the LAN, or add the network to the carrier's file.",
    ),
    "routed-lan-overlap": (
        "Two sites that a relay reaches without a tunnel have LANs that overlap.",
        "Renumber one of the two, or agree another access for it.",
    ),
    "publish-not-open": (
        "A plan says that a site pushes, and its carrier lets no site push to its relays.",
        "Write `publishers` in the carrier's file, or agree another access.",
    ),
    "publish-gateway-unfit": (
        "A site is to push whose gateway runs something other than Linux.",
        "Put a Linux machine into the cameras' network, or agree another access.",
    ),
    "publish-with-backup": (
        "A site that pushes has a backup relay, to which it would have to push everything again.",
        "Remove `backup_relay`.",
    ),
    "publish-endpoint-unfit": (
        "A site is to push to a relay whose endpoint is an address of IPv6.",
        "Write an address of IPv4 or a name under the relay's `endpoint`, or agree another access.",
    ),
    "public-address-outside": (
        "A site's `public_addresses` has one in no network from which its carrier lets sites push.",
        "Correct it, or add its network to `publishers.networks` of the carrier.",
    ),
    "public-addresses-unused": (
        "A gateway's `public_addresses` is written where no plan says that the site pushes.",
        "Remove it, or agree `access: publish`.",
    ),
    "publish-not-asked": (
        "A device of a site that pushes is to be asked by ONVIF, and no relay reaches it.",
        "Remove `onvif`, or agree another access.",
    ),
    "lan-over-pool": ("A facility's LAN overlaps a tunnel pool.", "Renumber the LAN, or move the unused pool."),
}

_LOCK: _Section = {
    "allocation-missing": (
        "The lock lacks an entry, or has one of what is gone.",
        "Run `provisioner allocate` and commit the lock.",
    ),
    "allocation-outside-pool": ("A recorded address is not of its pool.", "Set the pool back."),
    "allocation-duplicate": ("An address is recorded twice.", "Take the lock back from Git."),
    "allocation-reused": ("An address of a tombstone is in use again.", "Take the lock back from Git."),
    "allocation-port-duplicate": ("A site's port is recorded twice.", "Take the lock back from Git."),
    "allocation-number-duplicate": ("A number in a site's prefix is recorded twice.", "Take the lock back from Git."),
    "pool-exhausted": ("A pool has no address left.", "Add capacity; used addresses are not given out again."),
    "ports-exhausted": ("A site has no port left.", "Use a lower first_site_port, or fewer devices."),
    "prefix-exhausted": (
        "A site's prefix has no address left for its devices, those that it had included.",
        "Agree `pull_portmap` for the facility, or split it.",
    ),
    "host-keys-missing": ("A host's keys are not recorded yet.", "Run `provisioner keys init`."),
    "sealed-key-missing": (
        "A relay's tunnel key is not sealed to the recovery key, or to a former one.",
        "Run `provisioner keys init`; until then each of its sites needs a new package if it is lost.",
    ),
    "gateway-key-missing": (
        "A gateway's public key is not known.",
        "Install the site's package and note the key that it prints with `provisioner gateway set-key`.",
    ),
}

_SECRETS: _Section = {
    "secrets-shut": (
        "An encrypted file is for a vault id of which there is no password here: it was not checked.",
        "Let whoever holds that password check it, or add it to ANSIBLE_VAULT_IDENTITY_LIST.",
    ),
    "secret-under-another-id": (
        "An encrypted file is under a carrier's vault id, and is not that carrier's alone.",
        "Rekey it with ansible-vault rekey --new-vault-id, and change the secrets in it if it was committed.",
    ),
    "host-key-misplaced": (
        "A carrier's secrets have the key of a host that is not this carrier's alone.",
        "Run provisioner keys init, which removes it.",
    ),
    "secrets-not-checked": ("No vault password is set: secrets were not checked.", "Set one to check them too."),
    "secrets-missing": ("A key or secret of ours is not in the vault.", "Run `provisioner keys init`."),
    "secret-duplicate": ("A facility has logins in two files.", "Keep them in its province's file."),
    "login-missing": ("A device has no login.", "Set it with `provisioner secrets set`."),
    "login-old-missing": (
        "Either login of a device is to be taken, and the vault does not have the old one.",
        "Set the new one with `provisioner secrets set --accept-old-until`, or finish the change.",
    ),
    "login-old-unused": (
        "The vault has an old login that is not taken any more.",
        "Remove it with `provisioner secrets forget`.",
    ),
    "login-unused": ("A login belongs to no device, or its facility is closed.", "Remove it."),
    "login-misplaced": ("A login is in another province's file.", "Move it."),
    "password-factory": ("A password is a factory's, or the user's name.", "Change it on the device, then here."),
}

_MACHINES: _Section = {
    "adoption-spent": (
        "The lock still says from whom a host is to be taken over, and the host is this inventory's by now.",
        "Remove it with `provisioner hosts adopt`.",
    ),
    "host-clock-off": ("A host's clock is off by more than 30 s.", "Set it right: timedatectl set-ntp true."),
    "host-disk-full": (
        "A host's disk is full, read-only or has no room for files.",
        "Make room before anything is applied to it.",
    ),
    "host-mtu-small": (
        "A host's way out takes smaller packets than its tunnel sends: pictures would stand still.",
        "Raise the MTU of that interface.",
    ),
    "host-other-firewall": (
        "Another firewall is at work on a host, and what it refuses stays refused.",
        "Let the ports in there too, or switch it off.",
    ),
    "host-port-taken": (
        "A port that is to be ours on a relay is another program's there.",
        "Stop that program, or give it another port.",
    ),
    "pool-routed-elsewhere": (
        "A host reaches a part of the tunnel's networks by another interface already.",
        "Move the pool, or remove the route.",
    ),
}

_CONTACTS: _Section = {
    "contacts-file-misplaced": ("A file of contacts is not named by its province.", "Rename the file."),
    "contact-duplicate": ("A person is listed twice for one facility.", "Keep one of the two."),
    "contact-days": ("A contact's duty ends before it begins.", "Correct one of the two days."),
    "contact-outlived": ("A contact is of a facility that is closed.", "Remove the contact, or erase the person."),
    "contact-unreachable": ("A contact has neither phone nor e-mail.", "Add one of the two."),
    "contact-facility-unknown": ("A contact is of a facility that does not exist.", "Correct the id."),
    "contact-facility-misplaced": ("A contact is in another province's file.", "Move it."),
    "representative-missing": ("A facility has no current representative.", "Add one, as letter 1407 asks."),
    "representative-incomplete": ("A representative lacks what the list has to have.", "Add it."),
}

_RECEIVERS: _Section = {
    "receiver-duplicate": ("Two receivers have one id.", "Give one of the two another id."),
    "receiver-role-unfit": (
        "A receiver's role is of a province, a carrier or a facility, and the receiver names none, or another kind.",
        "Name what the role is of, or correct the role.",
    ),
    "receiver-incomplete": (
        "A receiver lacks a key that its kind needs, or has one of another kind.",
        "Add or remove it, or correct the kind.",
    ),
    "receiver-in-the-clear": (
        "A receiver's mails would go over a network in the clear.",
        "Write `security: starttls` or `implicit`.",
    ),
    "receiver-secret-missing": (
        "The vault lacks what a receiver is told with: a key, a sender, an address.",
        "Add it with `ansible-vault edit secrets/receivers.yml`.",
    ),
    "receiver-secret-unfit": (
        "A key of a receiver is too short, or an address is none.",
        "Correct it with `ansible-vault edit secrets/receivers.yml`.",
    ),
    "receiver-secret-unused": ("The vault has an entry for a receiver that is not there.", "Remove it."),
}

_REGO: _Section = {
    "rego-form": (
        "A file of rules is no Rego, or not in the form that ours have.",
        "Correct the place; `provisioner policy --help` has the form.",
    ),
    "rego-function": (
        "A rule calls a function that none may.",
        "Use one of those that `provisioner policy --help` lists.",
    ),
    "rego-reference": (
        "A rule names what is not there, or compares a field with what it never is: it would never hold.",
        "Correct the name; `provisioner schema policy-input` has the fields.",
    ),
    "rego-untested": ("No test is about a file of rules.", "Write one beside it; `provisioner policy test` runs it."),
    "rego-warns": ("A rule of the inventory warns of a plan.", "Look at it before the plan is applied."),
    "rego-not-installed": (
        "There are rules, and no regopy that could evaluate them: no plan is made or applied.",
        "Install `regopy` beside the program, or the library of the machine's that it lacks.",
    ),
}

_SECTIONS: dict[str, _Section] = {
    "Files": _FILES,
    "YAML": _YAML,
    "Keys and values": _VALUES,
    "Orders, designations, provinces": _ORDERS,
    "Surveys, plans, sign-offs": _PLANS,
    "Hosts and networks": _HOSTS,
    "Machines, as `plan` sees them": _MACHINES,
    "Devices of a facility": _SITES,
    "The lock": _LOCK,
    "Secrets": _SECRETS,
    "Contacts": _CONTACTS,
    "Receivers of notices": _RECEIVERS,
    "Rules of your own": _REGO,
}

SECTIONS: dict[str, dict[str, ProblemEntry]] = {
    title: {code: ProblemEntry(*row) for code, row in section.items()} for title, section in _SECTIONS.items()
}
CATALOGUE: dict[str, ProblemEntry] = {code: entry for section in SECTIONS.values() for code, entry in section.items()}
