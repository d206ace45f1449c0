"""What travels between controller and host: every request and every answer, as types for both sides.

It is not shipped: on a host it is for the type checker alone. The controller builds the requests, and reads the answers
by what stands here (`provisioner/hosts/answers.py`). Hosts and nodes hold each request against its keys and kinds as
`carried.py` has them from here. The program travels with each request, so both sides
always have one version of this. What lies on the host's disk (the manifest, receipts, the armed change, the lease)
outlives a version and is read with care wherever it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NotRequired, Protocol, Required, TypedDict


class Bounds:
    """A number, or the length of a list, that is outside of these is refused; without `least` there is none below."""

    def __init__(self, least: float | None, most: float) -> None:
        self.least, self.most = least, most


class Longest:
    """A text or a list that is longer is cut: what was cut says no more."""

    def __init__(self, most: int) -> None:
        self.most = most


class Pattern:
    """A text that does not match this pattern as a whole is refused."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern


Count = Annotated[int, Bounds(0, 2**63)]
"""How much or how many."""

Size = Annotated[float, Bounds(0, 2.0**63)]
"""The same, with a fraction."""

Sentence = Annotated[str, Longest(1000)]
"""What people read."""

Moment = Annotated[int, Bounds(0, 253_402_300_799)]
"""In seconds since 1970, to the year 9999."""

Clock = Annotated[list[Annotated[float, Bounds(0, 253_402_300_799)]], Bounds(2, 2)]
"""When it began and when it ended, by a clock."""


# As the lock takes them (`inventory/model`): what a host says goes there without another look.
PublicKey = Annotated[str, Pattern("[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")]
PasswordHash = Annotated[str, Pattern("sha256:[A-Za-z0-9+/]{43}=")]


Level = Annotated[int, Bounds(0, 255)]
Share = Annotated[float, Bounds(0, 1)]
Port = Annotated[int, Bounds(1, 65_535)]
Digest = Annotated[str, Pattern("[0-9a-f]{16}")]
Digests = Annotated[list[Digest], Bounds(0, 32)]
Pair = Annotated[list[Count], Bounds(2, 2)]
"""Before and after."""


class RunningChange(Protocol):
    """A change as whoever prepares one of its files sees it: its request, the files it wants, where one is staged."""

    request: ApplyRequest

    @property
    def wanted(self) -> Mapping[str, FileToPut]:
        """The files of this change, by path."""

    def staged(self, path: Path) -> Path:
        """Where a file of this change is staged."""


# --- requests -------------------------------------------------------------------------------------


class RecordHead(TypedDict):
    """An entry of the controller's record of runs, which hosts keep: the run, its number, its hash, its seal."""

    run: str
    sequence: int
    head: str
    seal: str


class OwnerToMark(TypedDict):
    """What the mark of whose a host is says of its owner: `key` is a public fingerprint, `host` the host's id there."""

    inventory: str
    key: str
    host: str


class ObserveRequest(TypedDict):
    """Read the host's facts; `files/nft` in the bundle is the intended firewall.

    Keys:
        files: paths of the desired files.
        program: the path of MediaMTX's program, null on a host without a relay.
        receipts: whether the entries of the record that receipts hold are told, too.
        held: the ids of facilities of which the host keeps what it has: it is compared, and written, with that in it.
        networks: those that the tunnel is to have, which nothing else should.
        ports: those that ours are to have, which nobody else should.
    """

    operation: Literal["observe"]
    digest_key: str
    files: list[str]
    units: list[str]
    program: str | None
    receipts: NotRequired[bool]
    held: NotRequired[list[str]]
    networks: NotRequired[list[str]]
    ports: NotRequired[PortsToTake]


class PortsToTake(TypedDict):
    """Ports on which ours are to wait for others; what comes to one of `led` is led to one of ours."""

    tcp: list[int]
    udp: list[int]
    led: NotRequired[list[int]]


class SealOrder(TypedDict):
    """To which recovery key the tunnel's private key is sealed, and whose it is: the inventory's and the host's id."""

    recovery: str
    inventory: str
    host: str


class KeysRequest(TypedDict):
    """Make the keys that are not there yet; `relay` says whether the two passwords of a relay are needed.

    The bundle's `files/identity` and `files/program` are left on the host: with the first it proves itself later, the
    second takes its bundles from then on.

    Keys:
        seal: how the tunnel's private key is sealed; left out where no box is asked for.
        restores: the public key of a tunnel's private key that the bundle brings as `files/tunnel-key`, for a host
            that stands in for a dead one; left out where the host makes its own.
        following: there where a key is made that follows the tunnel's own one; its public half where the bundle brings
            it as `files/next-key`, else empty.
    """

    operation: Literal["keys"]
    relay: bool
    owner: NotRequired[OwnerToMark]
    who: NotRequired[str]
    seal: NotRequired[SealOrder]
    restores: NotRequired[str]
    following: NotRequired[str]


class RemoveRequest(TypedDict):
    """Take everything of ours off the host.

    Keys:
        run: the run that was confirmed last, as the controller has just seen it; empty where there is none. A bundle
            that somebody kept does nothing to a host that was set up anew since.
        peers: public keys of peers that the tunnel may still have: nobody is served through them.
    """

    operation: Literal["remove"]
    owner: OwnerToMark
    run: str
    peers: list[str]


class ReleaseRequest(TypedDict):
    """Mark the host as one that its owner has let go of."""

    operation: Literal["release"]
    owner: OwnerToMark
    who: str


class LimitsRequest(TypedDict):
    """How long reads of paths may take, in seconds, and how many may run at once.

    `cpu_share` is which share of the host's processors they may take; left out where there is no bound.
    """

    deadline_s: float
    max_readers: int
    sample_s: float
    read_s: float
    connect_s: NotRequired[float]
    cpu_share: NotRequired[float]


class EarlyEndToTake(TypedDict):
    """What was agreed of a stream whose look may end as soon as nothing of it is in doubt; None where nothing was."""

    fps: float | None
    least_kbps: int | None


class LookToTake(TypedDict):
    """How a read goes on after its first key frame.

    Keys:
        seconds: for how long, at least; `most_s`: at most, where key frames are rare.
        keys: until there were so many key frames.
        every: whether every picture counts, or key frames alone.
        skips: whether the decoder gets key frames alone, as of a stream of which all costs too much; left out where it
            gets all.
        early: what has to hold for such a look to end before its time; left out where none does.
    """

    seconds: float
    most_s: float
    keys: int
    every: bool
    skips: NotRequired[bool]
    early: NotRequired[EarlyEndToTake]


class PathToRead(TypedDict):
    """A path that is read for a key frame, with the device that it is pulled from.

    Keys:
        address: empty of a path that its site pushes, as `port` is 0: there is no device then.
        look: how its picture is looked at from there; left out where the key frame is the end.
    """

    name: str
    on_demand: bool
    address: str
    port: int
    look: NotRequired[LookToTake]


class PathToProbe(PathToRead):
    """A path with the public key of the peer that its device is behind.

    Keys:
        read_by: the users of centres that look at it meanwhile, so that the relay does not read it, and watches them.
        tried: whether the relay reads it all the same, for a key frame: that shows that it could.
    """

    peer: str
    read_by: NotRequired[list[str]]
    tried: NotRequired[bool]


class GateRequest(LimitsRequest):
    """A look at paths around a change; `address` is the relay's own in the tunnel.

    Keys:
        wait_s: its moment is so long after the host got it: what takes it there goes on meanwhile.
        since: the moment from which that counts instead, as the host told it (`switched` of a change that waits).
        early_s: paths may be read so long before that moment, at which those streams have to flow still.
        first: whether sessions are looked at as soon as it is there, too.
        paths: those that are read.
        away: those whose cameras' ports are tried, and of which MediaMTX's last words are asked.
    """

    address: str
    wait_s: NotRequired[float]
    since: NotRequired[float]
    early_s: NotRequired[float]
    first: NotRequired[bool]
    paths: list[PathToRead]
    away: list[PathToRead]


class DeviceToAsk(TypedDict):
    """A device that is asked about itself by ONVIF.

    Keys:
        name: of the facility and the device.
        paths: those that are pulled from it: its login is theirs, and is tried while one of them gives a picture.
        profile: the media profile that is asked for, by its name or token; empty for none.
        again: whether a login that it refused before is tried once more.
    """

    name: str
    address: str
    port: int
    paths: list[str]
    profile: str
    again: NotRequired[bool]


class RelayToProbe(TypedDict):
    """The paths of a relay to probe, in the order in which they are read while there is time; `read` may be false.

    `samples_suffice` leaves those unread that are always pulled: samples say of them all that is asked. `onvif` are
    devices that are asked about themselves.
    """

    address: str
    paths: list[PathToProbe]
    read: NotRequired[bool]
    samples_suffice: NotRequired[bool]
    onvif: NotRequired[list[DeviceToAsk]]


class ThroughHub(TypedDict):
    """The centre's own MediaMTX, through which it reads relays; without a `fingerprint` it is read in the clear."""

    address: str
    port: int
    fingerprint: str


class RelayToRead(TypedDict):
    """A relay that a centre reads from, as a user with a secret; `looks` by path, of those that are looked at.

    `fingerprint` is of its certificate, where it is read encrypted; `through` is the hub that is read in its place.
    """

    relay: str
    address: str
    user: str
    secret: str
    paths: list[str]
    looks: NotRequired[dict[str, LookToTake]]
    fingerprint: NotRequired[str]
    through: NotRequired[ThroughHub]


class CentreToProbe(TypedDict):
    """The relays that a centre reads from."""

    relays: list[RelayToRead]


class ProbeRequest(LimitsRequest):
    """Gather evidence about paths, and the host's facts."""

    operation: Literal["probe"]
    observe: ObserveRequest
    relay: NotRequired[RelayToProbe]
    centre: NotRequired[CentreToProbe]


class FlowLookRequest(TypedDict):
    """Tell which paths flow, by two samples that are at most so long apart."""

    operation: Literal["flow"]
    paths: list[str]
    sample_s: float


class ProgramToInstall(TypedDict):
    """MediaMTX's program: where it belongs, whether it is in the bundle (`files/artefact`), and its checksum."""

    path: str
    artefact: bool
    sha256: str


class FileToPut(TypedDict):
    """A desired file; `content` is its name under `files/` in the bundle."""

    content: str
    mode: int
    owner: str
    group: str


class LockoutCheck(TypedDict):
    """From where new SSH connections have to be accepted."""

    check: bool
    ssh_port: int
    networks: list[str]


class ChangeRequest(TypedDict):
    """What every call of a change says.

    Keys:
        who: who changes the host.
        confirm_s: how long the switch waits for the next word.
        peers: public keys that the tunnel has to have.
        sentinel: the path that shows that MediaMTX has read its file; empty without a relay.
        record: the entry with which the run began; receipt and manifest keep it.
        owner: whose the host is once an apply is confirmed.
        epoch: of what begins a change, the number of the run among all that change this host.
    """

    run: str
    who: str
    confirm_s: float
    units: list[str]
    peers: list[str]
    sentinel: str
    program: ProgramToInstall | None
    record: NotRequired[RecordHead | None]
    owner: NotRequired[OwnerToMark]
    epoch: NotRequired[int]


class ApplyRequest(ChangeRequest):
    """Bring the host to the files, and leave it armed; `gate` is null where nothing is looked at before.

    Keys:
        elsewhere: public keys of peers and names of paths that this host loses to another relay of the same carrier,
            with the same secrets: they are not revoked.
        restart: units that run and do not answer, and that the plan restarts for it; without their names none is.
        lift: quarantined paths that are pulled again, with the login that was refused.
        meant: the digest of this call that the plan has (`carried.digest`); the host computes it anew.
    """

    operation: Literal["apply"]
    meant: NotRequired[str]
    lift: NotRequired[list[str]]
    files: dict[str, FileToPut]
    observe: ObserveRequest
    expected_live_digest: str
    lockout: LockoutCheck
    gate: GateRequest | None
    elsewhere: list[str]
    restart: list[str]


class RollbackRequest(ChangeRequest):
    """Return to the state before the run `target`, and leave the host armed; empty is the newest that it keeps.

    Keys:
        wanted: what the inventory wants at this host or at another relay of its carrier: public keys, names of paths
            and of users, each with the keyed digest of its pre-shared key, source or hash; nothing else comes back.
        held: the ids of facilities of which the host keeps what it has now.
        bare: whether the host may return to the state before its first apply; a node that asks for approvals removes
            this key.
    """

    operation: Literal["rollback"]
    target: str
    bare: NotRequired[bool]
    digest_key: str
    wanted: dict[str, str]
    lockout: LockoutCheck
    gate: GateRequest | None
    held: list[str]


class LookRequest(ChangeRequest):
    """Renew the switch, and look at paths."""

    operation: Literal["look"]
    gate: GateRequest


class ConfirmRequest(ChangeRequest):
    """Make the change persistent; `files` are the paths that are ours from now on."""

    operation: Literal["confirm"]
    files: list[str]
    observe: ObserveRequest


class AbortRequest(ChangeRequest):
    """Return to last-good at once."""

    operation: Literal["abort"]
    cause: str


class StatusRequest(ChangeRequest):
    """Tell what became of the run."""

    operation: Literal["status"]


Request = (
    ObserveRequest
    | KeysRequest
    | ReleaseRequest
    | RemoveRequest
    | ProbeRequest
    | FlowLookRequest
    | ApplyRequest
    | RollbackRequest
    | LookRequest
    | ConfirmRequest
    | AbortRequest
    | StatusRequest
)

# --- facts ----------------------------------------------------------------------------------------


SelinuxState = Literal["enforcing", "permissive", "off"]


class SystemAnswer(TypedDict):
    """The host's operating system: ID, VERSION_ID and ID_LIKE of its os-release."""

    id: str
    version: Sentence
    like: list[str]


class MachineAnswer(TypedDict):
    """The machine; `ssh_peer` is where this connection comes from, null where there is none."""

    arch: str
    python: str
    boot_id: str
    os: SystemAnswer
    ssh_peer: str | None
    selinux: SelinuxState


class FileAnswer(TypedDict):
    """A file; `digest` is keyed."""

    digest: str
    mode: Count
    owner: str
    group: str


class UnitAnswer(TypedDict):
    """A unit's state."""

    active: str
    enabled: str
    reload: bool
    drop_ins: list[str]
    pid: int


class LinkAnswer(TypedDict):
    """An interface's addresses, routes and MTU."""

    addresses: list[str]
    routes: list[str]
    mtu: Count


class PeerAnswer(TypedDict):
    """A live peer; `psk` is a keyed digest."""

    public_key: str
    psk: str | None
    endpoint: str | None
    allowed_ips: list[str]
    keepalive_s: int | None
    handshake: int
    received_bytes: int
    sent_bytes: int


class SecondTunnelAnswer(TypedDict):
    """The tunnel with the key that follows a relay's own one.

    Keys:
        alike: whether it has the same peers as the first one, with the same pre-shared keys and allowed IPs.
        moved: by public key the peers whose later handshake was there, in seconds since 1970.
    """

    public_key: str
    listen_port: Count
    addresses: list[str]
    mtu: Count
    alike: bool
    moved: dict[str, Count]


class TunnelAnswer(LinkAnswer):
    """The live tunnel, its peers by public key, and the second one while a relay changes its own key."""

    public_key: str
    listen_port: int
    peers: dict[str, PeerAnswer]
    following: NotRequired[SecondTunnelAnswer]


RuleAction = Literal["create", "update", "delete"]


class DifferenceAnswer(TypedDict):
    """What of the rules differs."""

    name: str
    action: RuleAction


class FirewallAnswer(TypedDict):
    """Whether our table is loaded, and how it differs from the intended one."""

    present: bool
    differences: list[DifferenceAnswer]


class PathAnswer(TypedDict):
    """A path of the relay's file without its login."""

    settings: dict[str, object]  # MediaMTX's own: any JSON
    digest: str
    source_digest: str


class RelayAnswer(TypedDict):
    """The relay's file without its secrets."""

    settings: dict[str, object]  # MediaMTX's own: any JSON
    paths: dict[str, PathAnswer]
    sentinel: str | None
    foreign: Count


class ReaderAnswer(TypedDict):
    """Who reads a path, by the name typed, from which address, and how many sessions at once."""

    user: str
    address: str
    path: str
    readers: Count


class RuntimeAnswer(TypedDict):
    """What the running relay says of itself; `readers` is null where it does not say who they are."""

    version: Sentence
    started: str
    sentinel: str | None
    viewers: dict[str, Count]
    readers: NotRequired[list[ReaderAnswer] | None]


class ProgramAnswer(TypedDict):
    """MediaMTX's program as it lies there."""

    present: bool
    whole: bool
    version: Sentence


class GenerationAnswer(TypedDict):
    """A state that the host can return to."""

    run: str
    number: int
    at: Moment


class Manifest(TypedDict, total=False):
    """What we installed, as the host keeps it: files, programs with their checksums, the run that was confirmed.

    `record` is the entry with which that run began.
    """

    files: list[str]
    programs: dict[str, str]
    run: str
    record: RecordHead | None


class Tombstones(TypedDict):
    """What applies took away, as the host keeps it: peers by public key, paths and users by name, each with the run."""

    peers: dict[str, str]
    paths: dict[str, str]
    users: dict[str, str]


class Armed(TypedDict, total=False):
    """The change that waits, as the host keeps it; `damaged` is of a record that cannot be read."""

    run: Required[Sentence]
    boot: str
    since: float
    due: float
    phase: str
    kind: str
    target: str
    who: Sentence
    damaged: bool


class TrustAnswer(TypedDict):
    """What the host was trusted for when it was applied last, as the file of it says."""

    address: str
    port: int
    user: str
    host_key: str
    program: str
    ssh_from: list[str]
    readers: list[str]
    keys: NotRequired[dict[str, str]]
    jump: NotRequired[str]
    endpoint: NotRequired[str]
    ports: NotRequired[dict[str, Count]]
    publishers: NotRequired[list[str]]


ChangesToApprove = Literal["any", "path", "all", "trust", "policy"]


class ApprovalRuleAnswer(TypedDict):
    """How many people have to approve what."""

    changes: ChangesToApprove
    role: str
    people: Count


class ApproverAnswer(TypedDict):
    """A key by which a person approves; `until` is empty where there is no last day."""

    id: str
    key: str
    roles: list[str]
    carriers: list[str]
    since: str
    until: str


class ApprovalsAnswer(TypedDict):
    """Who has to approve plans."""

    valid_hours: Count
    rules: list[ApprovalRuleAnswer]
    approvers: list[ApproverAnswer]


class PolicyAnswer(TypedDict):
    """What held plans back when the host was applied last, as the file of it says."""

    limits: dict[str, Count]
    freeze: list[str]
    signing: NotRequired[list[str]]
    protected: NotRequired[list[str]]
    approvals: NotRequired[ApprovalsAnswer]
    rego: NotRequired[list[str]]


class HeldAnswer(TypedDict):
    """What the host has of facilities that are held: paths with whose they are, peers by key, addresses, cameras.

    `digests` are those of the files without it; `unclear` says why it cannot be told what in them is whose.
    """

    paths: dict[str, str]
    peers: dict[str, str]
    addresses: list[str]
    cameras: list[str]
    digests: dict[str, str]
    unclear: Sentence


class QuarantineAnswer(TypedDict):
    """A path whose device refuses its login, which is a keyed digest here: since when, and which device."""

    since: str
    device: Sentence
    login: str


class RouteAnswer(TypedDict):
    """A route of an interface that is not the tunnel."""

    network: Sentence
    device: Sentence


class WayOutAnswer(TypedDict):
    """The interface of the default route, and how large its packets may be."""

    device: Sentence
    mtu: Count


class PortAnswer(TypedDict):
    """A port that somebody else has, and whose program that is."""

    protocol: Sentence
    port: Count
    user: Sentence


class FactsAnswer(TypedDict):
    """A host's facts; `program`, `relay`, `runtime` and `firewalls` (of others) are of a host that should have a relay.

    `disks`, `clock`, when it began and ended in seconds since 1970, and `routes_elsewhere`, of other interfaces inside
    of the tunnel's networks, are there where the facts are all that was asked for; so are `way_out`, and `ports_taken`,
    of those that ours are to have.
    """

    host: MachineAnswer
    missing_programs: list[str]
    manifest: Manifest | None
    files: dict[str, FileAnswer | None]
    units: dict[str, UnitAnswer]
    tunnel: TunnelAnswer | None
    armed: Armed | None
    generations: list[GenerationAnswer]
    keys: dict[str, bool]
    firewall: FirewallAnswer
    trust: TrustAnswer | None
    policy: PolicyAnswer | None
    program: NotRequired[ProgramAnswer]
    relay: NotRequired[RelayAnswer | None]
    runtime: NotRequired[RuntimeAnswer | None]
    firewalls: NotRequired[list[str]]
    receipts: NotRequired[Annotated[list[RecordHead], Longest(100)]]
    owner: NotRequired[object]
    epoch: NotRequired[Annotated[int, Bounds(0, 10**12)]]
    beside: NotRequired[Annotated[list[object], Longest(20)]]
    held: NotRequired[HeldAnswer]
    quarantine: NotRequired[dict[str, QuarantineAnswer]]
    disks: NotRequired[Annotated[list[DiskAnswer], Longest(50)]]
    clock: NotRequired[Clock]
    routes_elsewhere: NotRequired[Annotated[list[RouteAnswer], Longest(20)]]
    way_out: NotRequired[WayOutAnswer | None]
    ports_taken: NotRequired[Annotated[list[PortAnswer], Longest(20)]]
    live_digest: str


class HostEpoch(TypedDict):
    """Which run began to change this host last: its number among all that did, who made it, and when."""

    number: int
    run: str
    who: str
    at: str


class ReleaseAnswer(TypedDict):
    """That the host has no owner any more."""

    released: bool


class RemoveAnswer(TypedDict):
    """That nothing of ours is on the host any more, and what looked like ours and is not."""

    removed: bool
    notes: Annotated[list[Sentence], Longest(10)]


class BareAnswer(TypedDict):
    """What the shell of a bare host says, which has no program yet (`prepare.sh`)."""

    said: str


class SealedKeyAnswer(TypedDict):
    """The tunnel's private key in a sealed box: to which recovery key, of which public key, and the box in base64."""

    recovery: PublicKey
    public_key: PublicKey
    box: Annotated[str, Pattern("[A-Za-z0-9+/]{128}")]


class KeysAnswer(TypedDict):
    """A public key and, of a relay, the hashes of its passwords; the sealed key where one was asked for.

    Of the key that follows the tunnel's own one likewise its public half, and its box.
    """

    public_key: PublicKey
    api_hash: NotRequired[PasswordHash]
    probe_hash: NotRequired[PasswordHash]
    sealed: NotRequired[SealedKeyAnswer]
    following: NotRequired[PublicKey]
    sealed_following: NotRequired[SealedKeyAnswer]


# --- evidence about paths -------------------------------------------------------------------------


class TrackAnswer(TypedDict, total=False):
    """A track of a path, in MediaMTX's words; null where it does not tell."""

    codec: str | None
    width: int | None
    height: int | None


class SampleAnswer(TypedDict):
    """What MediaMTX says of a path at one moment; `damaged` are pictures of which packets did not come, so far."""

    available: bool
    online: bool
    inbound_bytes: Count
    damaged: NotRequired[Count]
    tracks: NotRequired[list[TrackAnswer]]


class SceneAnswer(TypedDict):
    """What one picture measures, in levels of luma: 0 is black, 255 is white.

    Keys:
        median, bright, spread: of the pixels between the bands where clocks stand; `bright` is what the brightest few
            are above the median, `spread` what all but one in fifty are apart.
        one_level, three_levels: the share of those pixels that have the most frequent level, or one of three.
        levels: how many levels hold all but one in twenty of them.
        flat_cells: the share of cells in which nothing is.
        gradient_p50, gradient_p90, gradient_p99: slopes below which such a share is, between the bands.
        steepest: the slope that one pixel in two hundred has, the bands included.
        sharpness: how steep edges are for what they are high.
        grid: where edges are, a hexadecimal digit for each of 32x16 cells; `strengths` how strong they are, in half
            octaves, a digit for each of 16x8.
        digest: by which the same picture is known again.
    """

    median: Level
    bright: Level
    spread: Level
    one_level: Share
    three_levels: Share
    levels: Count
    flat_cells: Share
    gradient_p50: Size
    gradient_p90: Size
    gradient_p99: Size
    steepest: Size
    sharpness: Size
    grid: Annotated[str, Pattern("[0-9a-f]{512}")]
    strengths: Annotated[str, Pattern("[0-9a-f]{128}")]
    digest: Digest


class PacketsAnswer(TypedDict):
    """What the packets of a look measure, from its first key packet on.

    Keys:
        count, bytes: how many came, and how much.
        span_s: how long they are shown; `arrived_s`: how long they took to come.
        step_s, longest_s: from one picture to the next, the usual and the longest.
        gaps: how many steps are so long that a picture is missing in them.
        equal: how many are shown at the moment of another; `backward`: how many came before one that is shown earlier
            than a key frame that was there already.
        keys: what the first key packets are known by; `key_count`: how many there were.
    """

    count: Count
    bytes: Count
    span_s: Size
    arrived_s: Size
    step_s: Size
    longest_s: Size
    gaps: Count
    equal: Count
    backward: Count
    keys: Digests
    key_count: Count


class PictureAnswer(TypedDict):
    """What a look at a stream measures.

    Keys:
        every: whether every picture was counted, or key frames alone.
        looked_s: how long it took, from the first key frame on.
        frames, owed: how many pictures were decoded from then on, and how many packets there were to decode.
        key_frames: how many of them were key frames.
        complaints: how often the decoder complained of damage; `missed`: packets of RTP that did not come.
        declared_fps: the rate that the stream itself declares; null where it declares none.
        scene: the measures of the last picture; null where none was measured.
        differences: of each key picture from the one before, in levels; `digests`: what each of them is known by.
    """

    every: bool
    looked_s: Size
    packets: PacketsAnswer
    frames: Count
    owed: Count
    key_frames: Count
    complaints: Count
    missed: Count
    declared_fps: Size | None
    scene: SceneAnswer | None
    differences: Annotated[list[Annotated[float, Bounds(0, 255)]], Bounds(0, 32)]
    digests: Digests


class ReadAnswer(TypedDict, total=False):
    """One real read: a key frame (`codec`, `width`, `height`), an `error`, or why it was `not_run`.

    A look on from the key frame is its `picture`: null where one was asked for, and the packets could not be had.

    Of an on-demand path also how it was just `after`, how many of its device's paths the relay had then (`pulled`),
    and over how many connections to the device (`connected`, null where that cannot be said).
    """

    codec: Sentence
    width: Count
    height: Count
    error: Sentence
    status: int | None
    timed_out: bool
    not_run: Sentence
    seconds: float
    picture: PictureAnswer | None
    after: SampleAnswer | None
    pulled: int
    connected: int | None


class ReadersRequest(TypedDict):
    """What the confined readers get on their standard input, after their own modules.

    A login is an address, a port, a user, a password and, where it is encrypted, a certificate's fingerprint; a turn
    is a login's name and a path. `looks` are by a turn's number. `until` is on the monotonic clock, which all processes
    of a host share. `cores` are the processors of whose time readers may take all; null for no bound.
    """

    logins: dict[str, tuple[str, int, str, str, str]]
    turns: list[list[str]]
    looks: dict[str, LookToTake]
    readers: int
    read_s: float
    until: float
    cores: float | None


class AskingTurn(TypedDict):
    """A device to ask by ONVIF; without a login where it refused the one that there is."""

    address: str
    port: int
    login: tuple[str, str] | None
    profile: str


class AskingRequest(TypedDict):
    """What the confined part that asks devices gets on its standard input, as readers do."""

    devices: list[AskingTurn]
    at_once: int
    until: float


AccountOutcome = Literal[
    "told", "silent", "wrong answer", "login refused", "login refused before", "not asked", "not run"
]


class DeviceClockAnswer(TypedDict):
    """A device's clock as it told it between two moments of the host's, in seconds since 1970.

    `shown` is what it shows people, as if that were UTC; null where it did not say.
    """

    before: Annotated[float, Bounds(0, 7_258_118_400)]
    after: Annotated[float, Bounds(0, 7_258_118_400)]
    utc: Annotated[int, Bounds(0, 7_258_118_400)] | None
    shown: Annotated[int, Bounds(0, 7_258_118_400)] | None


class MediaProfileAnswer(TypedDict):
    """Whether a device has the media profile, its size (0 where it does not say), and the names of the first few."""

    there: bool
    width: Count
    height: Count
    names: Annotated[list[Sentence], Longest(8)]


class AccountAnswer(TypedDict):
    """What a device told of itself by ONVIF; `outcome` says why it did not.

    Keys:
        detail: what it did instead, in words of ours but for a fault's.
        tried: whether a login went to it of which nothing is known, as it did not answer.
        profiles_refused: whether it refuses for its media profiles the login that it took before.
        profile: left out where the device was not asked for its media profiles, or did not tell them.
    """

    outcome: AccountOutcome
    detail: NotRequired[Sentence]
    tried: NotRequired[bool]
    profiles_refused: NotRequired[bool]
    clock: NotRequired[DeviceClockAnswer]
    model: NotRequired[Sentence]
    serial: NotRequired[Sentence]
    firmware: NotRequired[Sentence]
    profile: NotRequired[MediaProfileAnswer]


class OnDemandAnswer(TypedDict):
    """How an on-demand path was while a centre read it.

    Keys:
        after: its state; `pulled` are the paths of its device that the relay had then.
        connected: over how many connections to the device; null where that cannot be said.
    """

    after: SampleAnswer
    pulled: Count
    connected: int | None


class PathEvidenceAnswer(TypedDict):
    """A path's two samples, and its read.

    Keys:
        on_demand: how an on-demand path was while a centre read it; left out where nobody saw it there.
        unsteady: it came or went while it was looked at.
        stalls: how often its source stopped sending of late while it was connected.
    """

    samples: Annotated[list[SampleAnswer | None], Bounds(2, 2)]
    read: ReadAnswer | None
    on_demand: NotRequired[OnDemandAnswer]
    unsteady: NotRequired[bool]
    stalls: NotRequired[Count]


class IcmpAnswer(TypedDict):
    """The ICMP message that ended a connection, and who sent it; `own` where that is the host that connects."""

    sender: str
    type: Level
    code: Level
    own: NotRequired[bool]


class SaidAnswer(TypedDict):
    """What a device answers to whoever asks it for its picture without a login.

    Keys:
        kind: `nothing` though it took the connection, `closed` without a word, `rtsp`, `http`, `tls`, or `other`.
        status: of RTSP.
        media: what the description offers, where it gave one.
        redirect: the host and port that it leads to.
    """

    kind: Literal["nothing", "closed", "rtsp", "http", "tls", "other"]
    status: int | None
    media: list[str]
    redirect: NotRequired[Sentence]


class DeviceEvidenceAnswer(TypedDict):
    """How a device answered a connection, and what it said where a path of it does not flow."""

    address: str
    port: Port
    outcome: Sentence
    seconds: float
    icmp: NotRequired[IcmpAnswer]
    said: NotRequired[SaidAnswer]


WayAnswer = DeviceEvidenceAnswer
"""How a relay's RTSP port answered a centre's connection."""


class GatewayEvidenceAnswer(TypedDict):
    """How the other end of a tunnel answers, by ICMP.

    Keys:
        small: a small packet came back.
        full: so did one of `size` bytes, as large as the tunnel's.
        refuses: it refuses what it does not map, so that its silence about a port means that it maps it.
    """

    address: str
    small: bool
    full: bool
    size: Count
    refuses: bool


class DropAnswer(TypedDict):
    """A chain of this host's rules that dropped a packet of a probe.

    Keys:
        incoming: the packet came in, from that address and port; else it was to leave for there.
        tunnel: it was one of the tunnel's own, between the two ends of WireGuard.
    """

    family: Sentence
    table: Sentence
    chain: Sentence
    incoming: bool
    tunnel: bool
    address: str
    port: Count


class BaseChainAnswer(TypedDict):
    """A chain of another table that packets of this host pass."""

    family: Sentence
    table: Sentence
    chain: Sentence
    hook: Sentence
    policy: Sentence


class CloserAnswer(TypedDict):
    """What a closer look says; `drops` is null where packets cannot be traced."""

    drops: Annotated[list[DropAnswer], Bounds(0, 1000)] | None
    gateways: list[GatewayEvidenceAnswer]


class DiskAnswer(TypedDict):
    """A disk below a folder that we need; `inodes` says whether files can be made on it."""

    folder: Sentence
    size: Count
    free: Count
    inodes: bool
    writable: bool


class PeerEvidenceAnswer(TypedDict):
    """A peer's addresses and handshake, and its bytes before and after the connections."""

    allowed_ips: list[str]
    handshake_age_s: Annotated[float, Bounds(-31_622_400, 2.0**63)] | None
    received_bytes: Pair
    sent_bytes: Pair


class TunnelEvidenceAnswer(TypedDict):
    """Routes, and peers by public key."""

    routes: list[str]
    peers: dict[str, PeerEvidenceAnswer]


class PlaceAnswer(TypedDict):
    """An address and a port."""

    address: str
    port: Port


class SourceAnswer(PlaceAnswer):
    """A place that the relay is connected to: over how many connections, and how many of them carry a picture."""

    count: Count
    flowing: Count


class SourcesAnswer(TypedDict):
    """Where the relay's sources are connected; `halted` are devices that it connected to too often."""

    connections: list[SourceAnswer]
    halted: list[PlaceAnswer]


class DeliveryAnswer(TypedDict):
    """How one reader's session was served while it was watched.

    Keys:
        address, port: where the reader is.
        packets, discarded: what MediaMTX handed over for it, and what it threw away as the reader was too slow.
        sent, again: bytes that were sent, and of them those that had to be sent again.
        waiting: bytes that wait to be sent, or for the reader's word that they came.
        busy_s: how long there was something to send; `unread_s` of it the reader's own end had no room.
    """

    user: Sentence
    path: Sentence
    address: Sentence
    port: Count
    seconds: Size
    packets: Count
    discarded: Count
    sent: Count
    again: Count
    waiting: Count
    busy_s: Size
    unread_s: Size


class ArrivalAnswer(PlaceAnswer):
    """What came over one connection from a place while it was watched.

    Keys:
        own_port: the port at this end.
        received, segments: bytes and packets; `disordered` are packets that came before one that was lost or late.
        waiting: bytes that nobody has read yet.
    """

    own_port: Count
    seconds: Size
    received: Count
    segments: Count
    disordered: Count
    waiting: Count


class FlowAnswer(TypedDict):
    """How much of a path came from its source, in the seconds in which it was there.

    Keys:
        still_s: for how long of them at a stretch nothing came, the longest.
    """

    seconds: Size
    bytes: Count
    still_s: Size


class RelayDeliveriesAnswer(TypedDict):
    """How a relay's streams travelled: to its readers and from its sources; `flows` are by path."""

    readers: Annotated[list[DeliveryAnswer], Longest(10_000)]
    sources: Annotated[list[ArrivalAnswer], Longest(10_000)]
    flows: dict[str, FlowAnswer]


class SpanAnswer(TypedDict):
    """A part of a visit: what was waited for, from when on its clock, and how long. Parts overlap."""

    what: str
    at: float
    seconds: float


class PusherAnswer(TypedDict):
    """A site's session at a relay: the path that it pushes, and the address that it comes from."""

    path: Sentence
    address: Sentence


class PublishingAnswer(TypedDict):
    """Who pushes to a relay, and who was refused.

    Keys:
        sessions: null where they cannot be listed.
        refused: the addresses from which somebody wanted to push of late, and was refused, each with how often.
    """

    sessions: list[PusherAnswer] | None
    refused: dict[str, Count]


class RelayEvidenceAnswer(TypedDict):
    """What a relay tells of its paths.

    Keys:
        sources: null where it cannot be said.
        errors: the last ones of each path's source.
        closer: the look at the devices of paths that do not flow.
        chains: those of other tables; null where they cannot be listed.
        onvif: what devices told of themselves, by their names.
        publishing: left out where no site pushes one of the paths.
        not_installed: devices that only the request has, so that nothing was sent to them; left out if there are none.
    """

    unit: Sentence
    api_error: Sentence
    tunnel: TunnelEvidenceAnswer
    devices: list[DeviceEvidenceAnswer]
    paths: dict[str, PathEvidenceAnswer]
    sources: SourcesAnswer | None
    errors: dict[str, Annotated[list[Sentence], Longest(50)]]
    deliveries: NotRequired[RelayDeliveriesAnswer]
    closer: NotRequired[CloserAnswer]
    chains: NotRequired[Annotated[list[BaseChainAnswer], Bounds(0, 1000)] | None]
    onvif: NotRequired[dict[str, AccountAnswer]]
    publishing: NotRequired[PublishingAnswer]
    not_installed: NotRequired[list[PlaceAnswer]]


class CentreEvidenceAnswer(TypedDict):
    """What a centre read, by relay and path; `ways` are of the relays that it could not read from."""

    tunnel: TunnelEvidenceAnswer
    relays: dict[str, dict[str, ReadAnswer]]
    incoming: NotRequired[Annotated[list[ArrivalAnswer], Longest(10_000)]]
    ways: NotRequired[list[WayAnswer]]
    closer: NotRequired[CloserAnswer]


class TimesAnswer(TypedDict):
    """How long a visit took, and its parts."""

    seconds: float
    spans: NotRequired[Annotated[list[SpanAnswer], Longest(50)]]


class ProbeAnswer(TimesAnswer):
    """A host's facts, or why they could not be read, and its evidence.

    Keys:
        clock: the host's clock when it began and when it ended, in seconds since 1970.
        disks: those below the folders that we need.
    """

    facts: FactsAnswer | None
    facts_error: Sentence
    clock: NotRequired[Clock]
    disks: NotRequired[Annotated[list[DiskAnswer], Longest(50)]]
    relay: NotRequired[RelayEvidenceAnswer]
    centre: NotRequired[CentreEvidenceAnswer]


class FlowLookAnswer(TypedDict):
    """Which paths flow, by name; those that the relay has not got are left out."""

    unit: Sentence
    api_error: Sentence
    flows: dict[str, bool]
    seconds: float


# --- a change -------------------------------------------------------------------------------------

Outcome = Literal[
    "armed", "stale", "locked", "busy", "refused", "not-started", "applied", "rolled-back", "rollback-failed"
]
Refusal = Literal["check", "lock-out"]


class StepAnswer(TypedDict):
    """A step and its seconds."""

    name: Sentence
    seconds: Size


class SessionAnswer(TypedDict):
    """A path's source and readers.

    Keys:
        available: whether it gives a stream, and `since` when.
        bytes: what came from its source since then.
        flowed: whether bytes came between the two looks before a switch.
    """

    available: bool
    since: str
    bytes: Count
    flowed: bool
    readers: list[str]


class PeerSessionAnswer(TypedDict):
    """A peer of the tunnel: its last handshake, the bytes that came from it, what it may send."""

    handshake: Count
    received: Count
    allowed_ips: list[str]


class RulesAnswer(TypedDict):
    """The live rules: the elements of the set of cameras, and digests.

    Keys:
        rest: of all else in our table; empty where it is not loaded.
        doors: of those who may come in: the elements of its other sets.
        around: of what else may stand between a relay and its cameras: other tables, the tunnel's routes.
    """

    cameras: list[str]
    rest: str
    doors: str
    around: str


class SessionsAnswer(TypedDict):
    """Who reads what at the moment `at`, by the host's clock.

    Keys:
        over_s: before a switch, the time over which `flowed` was seen.
        started, paths: null where no relay answers.
        rules: null where they cannot be listed.
        changed: after a switch, the paths that the relay's file has otherwise than it had them before.
        quarantined: the paths that are out of it since their device refuses the login.
    """

    at: float
    over_s: float
    started: str | None
    paths: dict[str, SessionAnswer] | None
    peers: dict[str, PeerSessionAnswer]
    rules: RulesAnswer | None
    changed: list[str]
    quarantined: list[str]


class LookAnswer(TypedDict):
    """One look; `relay` is null where no path was read.

    Keys:
        waited_s: how long its moment was after the one from which that was to count.
        first: the sessions as they were when it was asked for, where that was wanted.
    """

    sessions: SessionsAnswer
    relay: RelayEvidenceAnswer | None
    waited_s: NotRequired[float]
    first: NotRequired[SessionsAnswer]


class Lease(TypedDict):
    """Who changes the host, as it keeps it."""

    run: str
    who: str
    since: str
    due: float


class ChangeParts(TypedDict, total=False):
    """What only some answers have.

    Keys:
        refusal: what `refused` was for.
        holder: of `locked` and `busy`.
        facts: of `stale`, and of `applied` where they could be read.
        switched: of `armed`, the moment of the switch by the host's clock since its boot, in seconds.
        affected: of a rollback, the paths that differ; `removed` are those of them that go.
    """

    refusal: Refusal
    holder: Lease | None
    receipt: Sentence
    facts: FactsAnswer | None
    before: LookAnswer
    after: LookAnswer
    switched: float
    affected: list[str]
    removed: list[str]
    lease: Lease | None
    generations: list[GenerationAnswer]


class ChangeAnswer(ChangeParts):
    """The answer to every call of a change."""

    outcome: Outcome
    cause: Sentence
    steps: Annotated[list[StepAnswer], Longest(100)]
    run: str
    notes: Annotated[list[Sentence], Longest(100)]


Answer = FactsAnswer | KeysAnswer | ReleaseAnswer | RemoveAnswer | ProbeAnswer | FlowLookAnswer | ChangeAnswer
