"""Every problem code with its meaning and remedy; meanings never change.

`docs/reference/problems.md` and the rules in SARIF files are made from this table, and a test compares it with the
code. The sentences of codes of contacts' cells (`phone-…`, `email-…`) are in `contacts.messages`. Imports no module of
ours.
"""

import re
from typing import NamedTuple


class ProblemEntry(NamedTuple):
    """The meaning of a code and its remedy, a sentence each."""

    meaning: str
    mending: str


# A section's title, then a line with a code and its meaning, and below it, indented, the remedy.
_TABLE = """\
# Files
file-missing: A required file is missing.
    Write it; `provisioner schema` prints its content.
file-unexpected: A YAML file is not a part of an inventory: no command reads it.
    Move it to its place, or take it out of the inventory.
file-unreadable: A file cannot be read.
    Correct its permissions.
folder-unreadable: A folder cannot be read: its files are not checked.
    Correct the folder's permissions.
link-outside: A link leads out of its folder of the inventory: its target is not read.
    Replace the link with its target; name contacts outside the inventory with `--contacts`.
facility-file-misplaced: A facility's file is not named by its id, or not in its province's folder.
    Move the file, or correct the id or the province in it.
carrier-file-misplaced: A carrier's file is not named by its id.
    Rename the file, or correct the id.
centre-file-misplaced: A centre's file is not named by its id.
    Rename the file, or correct the id.
facility-id-duplicate: Two facilities have one id; ids are unique in the whole inventory.
    Give one of the two another id.
secret-not-encrypted: A file under secrets/ is in the clear.
    Encrypt it; if it was ever committed, change its secrets.
contacts-not-encrypted: A file under contacts/ is in the clear.
    Encrypt it; if it was ever committed, tell the persons in it.
contacts-under-another-id: A file under contacts/ has another vault id than its province's, whose password others have.
    Rekey it with ansible-vault rekey --new-vault-id and a password of its own.

# YAML
yaml-syntax: The file is not YAML.
    Look at indentation, brackets and quotes around the place.
yaml-conflict: The file has conflict markers of Git.
    Keep the right lines of both sides; of the lock, take the main branch's file and run `provisioner allocate`.
yaml-encoding: The file is not UTF-8 text, or has a control character or an invisible line break.
    Save it as UTF-8, with ordinary line breaks.
yaml-too-large: The file is larger than any inventory needs.
    Split it, or find out what fills it.
yaml-depth: The file is nested deeper than any inventory needs.
    Write it flatter.
yaml-documents: A file holds more than one document.
    Keep one document a file.
yaml-directive: The file begins with a % directive.
    Remove the line.
yaml-anchor: An anchor (&name) is used.
    Write the value itself at each place.
yaml-alias: An alias (*name) is used.
    Write the value out; quote a text that begins with *.
yaml-merge: A merge key (<<) is used.
    Write the keys out.
yaml-tag: A tag (!name) is used.
    Remove it; quote the value if it is a text.
yaml-template: A value is a template ({{ … }}).
    Write the value itself.
yaml-key: A key is not a text.
    Quote the key.
yaml-too-many-faults: So many faults that the rest of the file is not judged.
    Correct the first ones.
key-duplicate: A mapping has a key twice; readers of YAML differ in which one counts.
    Remove one.

# Keys and values
key-missing: A required key is missing.
    Add it.
key-unknown: A key is not known; a less strict program would ignore it.
    Correct or remove it.
value-invalid: A value has a type or form that its key does not allow.
    Follow the hint.
zone-forbidden: A camera's zone is a room, toilet or bath, which order 4403/CV-BCĐ forbids.
    Move the camera, or leave it out.
host-user-unsafe: An SSH user's name has signs that Ansible could take for a template.
    Use letters, digits and '_.:-'.
problems-not-listed: One file has more problems than are listed.
    Correct the ones listed first.

# Orders, designations, provinces
province-unknown: A slug is not in its list of provinces.
    Correct it.
province-scheme-newer: A facility's list of provinces is newer than the inventory's.
    Move the inventory on to the newer list.
managing-body-ended: A facility's managing body is a district, and districts were abolished on 2025-07-01.
    Write its present managing body: `ubnd_xa` or `ubnd_tinh`.
designation-period: A designation ends before it begins.
    Correct one of the two days.
designation-duplicate: A carrier is designated for a province twice for the same days.
    Leave one of the two out.
instruction-duplicate: An order stands twice.
    Leave one of the two out.
instruction-deadline: An order's deadline is not after its day of issue.
    Correct one of the two days.
instruction-unknown: An order refers to one that is not listed before it.
    Add that, or correct it.
facility-unknown: An order or a withdrawal names a facility that does not exist.
    Correct the id.
carrier-unknown: A named carrier has no file.
    Write its file, or correct the name.
carrier-not-designated: A facility's carrier is not designated for its province on the day.
    Correct the plan, or add the ministry's designation with its source.
carrier-change-due: The province has a new carrier, but the facility still has the former one.
    Write a successor plan with the new carrier; both serve until it is accepted.

# Surveys, plans, sign-offs
plan-incomplete: An agreed plan lacks the gateway or the cameras.
    Add them, or propose it only.
sign-off-missing: An agreed plan is not signed by DIC, Health and the carrier.
    Record the agreement with `sign-off`.
sign-off-stale: The signed content was edited later.
    Undo the edit, or have it agreed again and record that with `sign-off`.
sign-off-claimed: An agreed plan lacks a party's signature, although policy.sign_offs requires it or the party has a
  key.
    Let the party sign what `sign-off --statement` prints, and record its signature.
sign-off-forged: A sign-off's signature is invalid, or is of another statement than the sign-off.
    Take it back from Git, or let the party sign anew.
sign-off-of-another-inventory: A signature was made for another inventory.
    Let the party sign for this one.
sign-off-key-not-allowed: A signature is by a key that signers.yml does not have for that party.
    Let the party sign with a key of that file, or add its key there in a change of its own.
sign-off-key-expired: A signature is of a day on which its key was not valid for the party.
    Let the party sign with its present key.
sign-off-withdrawn: A sign-off is of a day whose agreements signers.yml withdraws.
    Let all three parties agree to the present plan.
signer-key-unusable: A key in signers.yml is invalid.
    Write the first two words of the office's .pub file.
signer-key-shared: Two parties have one key, so that one of them could sign for both.
    Let each office make a key of its own.
approver-key-shared: Two persons who approve plans have one key, so that one of them could approve for both.
    Let each person make a key of its own.
approvers-lacking: A rule of policy.approvals asks for more people than could approve for a carrier's hosts.
    Add approvers to signers.yml, or ask for fewer people.
signer-period: A key's last day is before its first.
    Correct one of the two days.
sign-off-duplicate: One party signed one plan twice.
    Keep the newer one.
survey-counts: A survey has more usable cameras than cameras.
    Correct one of the two counts.
opening-missing: A facility is prepared for people without a planned day of arrival.
    Add `opens_on`.
survey-missing: A plan was agreed without a survey.
    Add the survey's result.
successor-without-plan: A successor follows no plan.
    Write the plan that it follows.
successor-same-relay: A successor has the plan's own relay.
    Name the relay that the site moves to.
gateway-interface-missing: A gateway with a tunnel has no interface in the site's network.
    Write `gateway.lan_interface`; only a `routed` site does without.
successor-other-access: A successor reaches the site's devices in another way than the plan.
    Write the same access in both; change it after one of the two has ended.
date-in-the-future: The day of a finished step is in the future.
    Write the day of that step.
dates-in-disorder: Two days contradict each other.
    Correct one of the two.
block-overdue: The next action for a blocked facility is overdue.
    Write the next action and its day.

# Hosts and networks
drain-leads-nowhere: The target of a relay's drain is not another relay of its carrier, or is drained itself.
    Name a relay that stays in use, or remove `drain_to`.
plan-on-drained-relay: A plan uses a relay that is being drained onto another one.
    Run `relay drain` again: it includes newer plans.
host-id-duplicate: Two relays or centres have one id.
    Give one of them another id.
host-address-duplicate: Two hosts have one address.
    Correct one of the two.
relay-endpoint-duplicate: Peers of two relays would send WireGuard to one endpoint.
    Write each relay's own, or another wireguard_port.
relay-endpoint-unusable: A relay's endpoint is an address that no host can reach.
    Write the address at which sites reach the relay.
relay-endpoint-unnumbered: A relay's endpoint is a name, but centres need an address for WireGuard.
    Write endpoint_address.
relay-endpoint-twice: A relay has an endpoint_address, although its endpoint is an address.
    Remove it, or write the name under endpoint.
wireguard-port-unfit: A further WireGuard port of a relay is used by another service, or is listed twice.
    Take it out of further_wireguard_ports, or write another one.
relay-port-not-offered: A gateway would send to a port at which its relay, backup relay or next relay has no WireGuard.
    Write a port that all of them have, or add it to further_wireguard_ports of the relay.
host-address-unusable: A host's IPv6 address is not one of a single host, or is link-local.
    Write an address that this machine reaches.
management-of-other-family: SSH goes to a host over IPv6, but its management networks are IPv4 only, or the reverse.
    Add this machine's network to management_networks.
endpoint-in-management-network: Sites would send WireGuard into a management network, which they seldom reach.
    Write under endpoint the address at which sites reach the relay.
ssh-port-taken: SSH to a relay would use a port of MediaMTX.
    Let sshd listen on another port, and write that.
ssh-host-key-unknown: The SSH host key of a host is unknown.
    Write ssh.host_key, or host_ca, the key of the CA that signs hosts' keys.
jump-outside-management: A jump host's address is in no management network of the hosts behind it: their rules would
  refuse it.
    Add the address to management_networks, or write the address that hosts see at jump.inside.
jump-without-inside: A jump host has a name only: the address that hosts see is unknown.
    Write that address at jump.inside.
jump-of-other-family: A host has an IPv4 or IPv6 address, but its jump host would come from the other family.
    Write the address that the host sees at jump.inside.
jump-is-the-host: A host is its own jump host.
    Write the host between the controller and it.
jump-in-pool: A jump host's address lies in a pool of tunnel addresses.
    Write its outer address.
centre-unknown: A carrier names a centre that has no file.
    Write its file, or correct the name.
centre-without-management: A centre has no management network: no carrier names it, and its own file has no network.
    Name it under centres of a carrier, or write management_networks.
centre-duplicate: A carrier names a centre twice.
    Name it once.
certificate-broken: The recorded certificate of a relay is invalid.
    Take the lock back from Git; `provisioner certificate renew` makes another one.
certificate-ends: The certificate that a relay shows readers ends soon, or has ended.
    Make another one with `provisioner certificate renew`, or have one signed, and apply.
viewer-duplicate: Two viewers have one id: they would be one user of MediaMTX, with one password.
    Give one of the two another id.
viewer-beyond-centre: A viewer would read paths that its centre may not read.
    Add it to the centre's reads, or take it from the viewer's.
viewer-without-networks: A viewer at a hub has no networks.
    Write its networks.
viewer-networks-unused: A viewer has networks at a centre without a hub, although it comes from the centre itself.
    Take them out, or make the centre a hub.
viewer-network-open: A viewer's network at a hub is so wide that nearly everybody is in it.
    Write its real networks.
hub-shared: A centre that several inventories share is to be a hub.
    Give the hub a host of its own.
hub-without-carriers: No carrier names a hub: it would have no paths.
    Name it under centres of a carrier.
read-prefix-unknown: A reader may read paths of a province or a facility that does not exist.
    Correct the slug or the id.
read-prefix-twice: A reader's list has a province or facility twice.
    Leave one of the two out.
facility-read-by-nobody: No centre of a carrier may read some of its facilities: no verification proves them at a
  centre.
    Add their province to `reads` of a centre.
relay-unknown: A plan names a relay that does not exist.
    Choose one of the carrier's relays.
backup-relay-unfit: A plan's backup relay is not another relay of its carrier.
    Name another relay of the carrier, or remove it.
relay-of-other-carrier: A plan's relay belongs to another carrier.
    Choose one of the plan's carrier.
relay-over-capacity: A relay would carry more paths than its measured capacity.
    Move facilities, or raise max_paths.
next-key-first: A gateway has a next key, but no present one.
    Remove next_key; record a first key with `gateway set-key`.
public-key-duplicate: Two peers have one WireGuard key.
    Make a new key on one of the two.
pool-missing: A carrier has no pool of tunnel addresses.
    Add one in inventory.yml.
pool-too-small: A pool is too small for two addresses.
    Write a network of /30 or larger.
pool-overlap: Two pools overlap.
    Choose separate networks.
pool-over-carrier-network: A pool overlaps a network of a carrier: relays could not reach that network.
    Choose another network.
host-address-in-pool: A host's outer address lies in a tunnel pool.
    Write its outer address.
management-network-open: A management network is too wide to protect hosts.
    Name the NOC's.
freeze-in-disorder: A freeze of changes ends before it begins.
    Correct one of the two moments.
maintenance-in-disorder: A maintenance window ends before it begins.
    Correct one of the two moments.
maintenance-of-nothing: A maintenance window has no objects.
    Name facilities, hosts or carriers, or write `everything: true`.
maintenance-name-unknown: A maintenance window names an object that does not exist.
    Correct the id, or leave it out.
maintenance-too-long: A maintenance window lasts longer than a week: its paths raise no alarm for all that time.
    Announce only the days of the work.
maintenance-over: A maintenance window has ended.
    Remove the entry.
maintenance-overlaps: Two maintenance windows cover one object at the same time.
    Make one of the two, or correct their moments.
intent-twice: Two intents have one id.
    Give each an id of its own.
intent-name-unknown: An intent names an object that does not exist: it would refuse no plan.
    Correct the id, or leave it out.
intent-service-unknown: An intent names a service that its targets do not have.
    Name a service that they have, or leave `services` out.
intent-broken: Traffic that has to pass does not, or traffic that must not pass does. Plans that cause this are refused.
    Undo the edit, or change the intent and have that reviewed; provisioner prove --why says which rule decides.
move-unsound: An entry under `moved` does not lead from an old id to a new one.
    Correct the entry.
move-over: An old name is served after its last day.
    Find its remaining readers; then remove the entry.
move-unfinished: Secrets of a moved id are still under the old one.
    Rename logins, run `provisioner keys init`; then remove the entry of `moved`.
protected-removed: A protected object was removed from the inventory.
    Restore it, or remove its protection first.

# Machines, as `plan` sees them
adoption-spent: The lock still has the former owner of a host that this inventory owns now.
    Remove it with `provisioner hosts adopt`.
host-clock-off: A host's clock is off by more than 30 s.
    Set it right: timedatectl set-ntp true.
host-disk-full: A host's disk is full, read-only or has no free inodes.
    Free space before the next apply.
host-mtu-small: A host's outer interface has a smaller MTU than its tunnel needs: pictures would freeze.
    Raise the MTU of that interface.
host-other-firewall: A host has another firewall, whose refusals count too.
    Open the ports there too, or switch it off.
host-port-taken: Another program has a port that this program needs on a relay.
    Stop that program, or give it another port.
pool-routed-elsewhere: A host already reaches a part of the tunnel's networks over another interface.
    Move the pool, or remove the route.

# Devices of a facility
device-id-duplicate: Two devices of one facility have one id.
    Give one of them another id.
recorder-unknown: A camera names a recorder that the facility does not have.
    List it, or correct it.
channel-duplicate: Two cameras are one channel of one recorder.
    Correct the channel.
channel-unknown: A camera's channel does not exist on its recorder.
    Correct the channel.
recorder-over-capacity: The streams of a recorder exceed its limits.
    Leave out main streams, or contract lower rates.
uplink-over-capacity: The sub streams, alone or with one main stream, need more than the line's upload.
    Contract lower rates, or a faster line.
accept-over: The last day for an old login or picture is over: only the new one counts.
    Finish the change with `provisioner camera accept --finish`.
accept-too-long: An old login or picture would count for longer than a quarter of a year.
    Name an earlier day with `provisioner camera accept --accept-old-until`.
address-outside-lan: A device's address is not in the gateway's LAN.
    Correct the address or the LAN.
address-duplicate: Two devices have one address and port.
    Correct one of the two.
onvif-port-duplicate: A device's ONVIF port is a port of another service of the facility.
    Write the port of the device's ONVIF service.
password-in-path: An RTSP path, or the address of a mirror, has a login in it.
    Write {username} and {password} in its place, and change the password on the device if it was committed.
password-in-text: A text has a password in it.
    Take it out, and change the password on the device if it was committed: Git does not forget.
personal-in-text: A text has a phone number or an e-mail address, which pages and spreadsheets would show.
    Remove it; personal data belongs into contacts/. If it was committed, rewrite the history.
text-like-a-password: A word in a text looks like a password.
    Remove it if it is one; otherwise write it in words.
markup-in-text: A text has HTML tags or a spreadsheet's formula.
    Write it in plain words: pages and spreadsheets show it as it is.
rtsp-path-reference: An RTSP path has a reference without a value.
    Write {username} or {password}, or other braces as %7B and %7D.
rtsp-path-missing: The make's RTSP path is not known.
    Write the stream's rtsp_path.
lan-over-endpoint: A facility's LAN includes the address to which its gateway would send WireGuard.
    Correct the LAN, or write the address at which the site reaches the relay as its endpoint.
routed-network-over-pool: A network of sites without a tunnel overlaps a pool of tunnel addresses.
    Name only networks of the sites.
routed-network-over-management: A network of sites without a tunnel overlaps a management network: SSH would come in
  from a site.
    Name only networks of the sites.
routed-lan-outside: The LAN of a site without a tunnel is not in its carrier's `routed_networks`.
    Correct the LAN, or add the network to the carrier's file.
routed-lan-overlap: Two sites that a relay reaches without a tunnel have LANs that overlap.
    Renumber one of the two, or agree another access for it.
publish-not-open: A plan says that a site pushes, but its carrier does not allow that at its relays.
    Write `publishers` in the carrier's file, or agree another access.
publish-gateway-unfit: A site pushes, but its gateway does not run Linux.
    Put a Linux machine into the cameras' network, or agree another access.
publish-with-backup: A site that pushes has a backup relay, to which it would have to push all streams again.
    Remove `backup_relay`.
publish-endpoint-unfit: A site pushes to a relay whose endpoint is an IPv6 address.
    Write an IPv4 address or a name as the relay's `endpoint`, or agree another access.
public-address-outside: A site's `public_addresses` has an address outside the networks from which its carrier lets
  sites push.
    Correct it, or add its network to `publishers.networks` of the carrier.
public-addresses-unused: A gateway has `public_addresses`, but no plan says that the site pushes.
    Remove it, or agree `access: publish`.
publish-not-asked: A device of a site that pushes has `onvif`, but no relay reaches the device.
    Remove `onvif`, or agree another access.
lan-over-pool: A facility's LAN overlaps a tunnel pool.
    Renumber the LAN, or move the unused pool.

# The lock
allocation-missing: The lock lacks an entry, or has one of a removed object.
    Run `provisioner allocate` and commit the lock.
allocation-outside-pool: A recorded address is outside its pool.
    Restore the pool.
allocation-duplicate: An address is recorded twice.
    Take the lock back from Git.
allocation-reused: An address of a tombstone is in use again.
    Take the lock back from Git.
allocation-port-duplicate: A site's port is recorded twice.
    Take the lock back from Git.
allocation-number-duplicate: A number in a site's prefix is recorded twice.
    Take the lock back from Git.
pool-exhausted: A pool has no free address.
    Add capacity; used addresses are not allocated again.
ports-exhausted: A site has no free port.
    Use a lower first_site_port, or fewer devices.
prefix-exhausted: A site's prefix has no free address for its devices; retired addresses count as used.
    Agree `pull_portmap` for the facility, or split it.
host-keys-missing: A host's keys are not recorded yet.
    Run `provisioner keys init`.
sealed-key-missing: A relay's tunnel key is not sealed to the recovery key, or to a former one.
    Run `provisioner keys init`; until then each of its sites needs a new package if it is lost.
gateway-key-missing: A gateway's public key is not known.
    Install the site's package and record the printed key with `provisioner gateway set-key`.

# Secrets
secrets-shut: An encrypted file was not checked: its vault id's password is not available here.
    Let a holder of that password check it, or add the password to ANSIBLE_VAULT_IDENTITY_LIST.
secret-under-another-id: An encrypted file has a carrier's vault id, but also secrets of others.
    Rekey it with ansible-vault rekey --new-vault-id, and change the secrets in it if it was committed.
host-key-misplaced: A carrier's secrets have the key of a host that is not only this carrier's.
    Run provisioner keys init, which removes it.
secrets-not-checked: No vault password is set: secrets were not checked.
    Set one to check them too.
secrets-missing: A key or secret of this program is not in the vault.
    Run `provisioner keys init`.
secret-duplicate: A facility has logins in two files.
    Keep them in its province's file.
login-missing: A device has no login.
    Set it with `provisioner secrets set`.
login-old-missing: A device's old login still counts, but the vault does not have it.
    Set the new one with `provisioner secrets set --accept-old-until`, or finish the change.
login-old-unused: The vault has an old login that does not count any more.
    Remove it with `provisioner secrets forget`.
login-unused: A login belongs to no device, or its facility is closed.
    Remove it.
login-misplaced: A login is in another province's file.
    Move it.
password-factory: A password is a factory's, or the user's name.
    Change it on the device, then here.

# Contacts
contacts-file-misplaced: A file of contacts is not named by its province.
    Rename the file.
contact-duplicate: A person is listed twice for one facility.
    Keep one of the two.
contact-days: A contact's duty ends before it begins.
    Correct one of the two days.
contact-outlived: A contact is of a facility that is closed.
    Remove the contact, or erase the person.
contact-unreachable: A contact has neither phone nor e-mail.
    Add one of the two.
contact-facility-unknown: A contact is of a facility that does not exist.
    Correct the id.
contact-facility-misplaced: A contact is in another province's file.
    Move it.
representative-missing: A facility has no current representative.
    Add one, as letter 1407 asks.
representative-incomplete: A representative lacks a value that the list requires.
    Add it.

# Receivers of notices
receiver-duplicate: Two receivers have one id.
    Give one of the two another id.
receiver-role-unfit: A receiver's role needs a province, a carrier or a facility, and the receiver lacks it or names
  another kind.
    Name that object, or correct the role.
receiver-incomplete: A receiver lacks a key that its kind needs, or has one of another kind.
    Add or remove it, or correct the kind.
receiver-in-the-clear: A receiver's mails would cross a network unencrypted.
    Write `security: starttls` or `implicit`.
receiver-secret-missing: The vault lacks a receiver's key, sender or address.
    Add it with `ansible-vault edit secrets/receivers.yml`.
receiver-secret-unfit: A key of a receiver is too short, or an address is invalid.
    Correct it with `ansible-vault edit secrets/receivers.yml`.
receiver-secret-unused: The vault has an entry for a receiver that does not exist.
    Remove it.

# Rules of your own
rego-form: A file of rules is not Rego, or not in the required form.
    Correct the place; `provisioner policy --help` has the form.
rego-function: A rule calls a function that is not allowed.
    Use a function that `provisioner policy --help` lists.
rego-reference: A rule names an unknown object, or compares a field with an impossible value: it would never apply.
    Correct the name; `provisioner schema policy-input` has the fields.
rego-untested: A file of rules has no test.
    Write one beside it; `provisioner policy test` runs it.
rego-warns: A rule of the inventory warns of a plan.
    Look at it before the plan is applied.
rego-not-installed: The inventory has rules, but regopy is not installed: no plan is made or applied.
    Install `regopy` beside the program, or the system library that it lacks.
"""

_ENTRY = re.compile(r"^([a-z0-9-]+): (.+(?:\n  \S.+)*)\n((?:    .+\n)+)", re.MULTILINE)

SECTIONS: dict[str, dict[str, ProblemEntry]] = {
    title: {
        code: ProblemEntry(" ".join(meaning.split()), " ".join(mending.split()))
        for code, meaning, mending in _ENTRY.findall(f"{section}\n")
    }
    for title, _, section in (part.partition("\n") for part in _TABLE.removeprefix("# ").split("\n\n# "))
}
CATALOGUE: dict[str, ProblemEntry] = {code: entry for section in SECTIONS.values() for code, entry in section.items()}
