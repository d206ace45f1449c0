"""Types of every request and answer between controller and host.

On a host they serve only the type checker; this module is not shipped. The controller builds requests and parses
answers by these types (`provisioner/hosts/answers.py`). Hosts and nodes check requests against the keys and kinds in
`carried.py`, which follow these types. The program travels with each request, so both sides have the same version.
Files on the host's disk (manifest, receipts, armed change, lease) outlive a version; readers parse them with care.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NotRequired, Protocol, Required, TypedDict


class Bounds:
    """Refuses numbers and list lengths out of bounds; `least` is optional."""

    def __init__(self, least: float | None, most: float) -> None:
        self.least, self.most = least, most


class Longest:
    """Cuts longer texts and lists."""

    def __init__(self, most: int) -> None:
        self.most = most


class Pattern:
    """Refuses texts that do not match the whole pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern


Count = Annotated[int, Bounds(0, 2**63)]  #: A non-negative integer.
Size = Annotated[float, Bounds(0, 2.0**63)]  #: A non-negative number.
Sentence = Annotated[str, Longest(1000)]  #: Text for people.
Moment = Annotated[int, Bounds(0, 253_402_300_799)]  #: Seconds since 1970, to the year 9999.
Clock = Annotated[list[Annotated[float, Bounds(0, 253_402_300_799)]], Bounds(2, 2)]  #: Begin and end by a clock.


# As the lock takes them (`inventory/model`): what a host says goes there without another look.
PublicKey = Annotated[str, Pattern("[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")]
PasswordHash = Annotated[str, Pattern("sha256:[A-Za-z0-9+/]{43}=")]


Level = Annotated[int, Bounds(0, 255)]
Share = Annotated[float, Bounds(0, 1)]
Port = Annotated[int, Bounds(1, 65_535)]
Digest = Annotated[str, Pattern("[0-9a-f]{16}")]
Digests = Annotated[list[Digest], Bounds(0, 32)]
Colours = Annotated[list[Level], Bounds(4, 4)]
Pair = Annotated[list[Count], Bounds(2, 2)]  #: Before and after.


class RunningChange(Protocol):
    """A change as seen by modules that prepare a file."""

    request: ApplyRequest

    @property
    def wanted(self) -> Mapping[str, FileToPut]:
        """The files of this change, by path."""

    def staged(self, path: Path) -> Path:
        """Return the staged path of a file."""


# --- requests -------------------------------------------------------------------------------------
class RecordHead(TypedDict):
    """An entry of the controller's record of runs, stored on hosts."""

    run: str
    sequence: int
    head: str
    seal: str


class OwnerToMark(TypedDict):
    """The owner in a host's mark; `key` is a public fingerprint."""

    inventory: str
    key: str
    host: str


class ObserveRequest(TypedDict):
    """Read the host's facts; `files/nft` in the bundle is the intended firewall.

    Keys:
        files: paths of the desired files.
        program: the path of MediaMTX's program, null on a host without a relay.
        receipts: whether to return the record's entries in receipts.
        held: ids of frozen facilities; their parts on the host are compared and kept.
        networks: the tunnel's networks, to find conflicting routes.
        ports: our ports, to find other programs on them.
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
    """Our ports; packets to those in `led` are redirected to ours."""

    tcp: list[int]
    udp: list[int]
    led: NotRequired[list[int]]


class SealOrder(TypedDict):
    """The recovery key, inventory and host of a sealed tunnel key."""

    recovery: str
    inventory: str
    host: str


class KeysRequest(TypedDict):
    """Create missing keys; `relay` asks for a relay's two passwords.

    `files/identity` and `files/program` of the bundle stay on the host: the first for later proofs, the second to
    accept bundles.

    Keys:
        seal: how to seal the tunnel's private key; omitted without a box.
        restores: the public key of `files/tunnel-key`, which replaces a dead host's; omitted for a key of its own.
        following: present to create the tunnel's next key; its public key if `files/next-key` brings it, else empty.
    """

    operation: Literal["keys"]
    relay: bool
    owner: NotRequired[OwnerToMark]
    who: NotRequired[str]
    seal: NotRequired[SealOrder]
    restores: NotRequired[str]
    following: NotRequired[str]


class GivenUpRequest(TypedDict):
    """A host's owner, and its last state that the controller saw.

    Keys:
        run: the last confirmed run, or empty.
        marked: the time of the mark, or empty. An old copy of the bundle does not affect a host that was set up anew.
    """

    owner: OwnerToMark
    run: str
    marked: str


class RemoveRequest(GivenUpRequest):
    """Remove everything of ours.

    `peers` are public keys of remaining peers that serve no site.
    """

    operation: Literal["remove"]
    peers: list[str]


class ReleaseRequest(GivenUpRequest):
    """Mark the host as released."""

    operation: Literal["release"]
    who: str


class LimitsRequest(TypedDict):
    """Limits of reads in seconds and number.

    `cpu_share` is their share of the host's processors; omitted without a limit.
    """

    deadline_s: float
    max_readers: int
    sample_s: float
    read_s: float
    connect_s: NotRequired[float]
    cpu_share: NotRequired[float]


class EarlyEndToTake(TypedDict):
    """Agreed values of a stream, or `None`, for an early end."""

    fps: float | None
    least_kbps: int | None


class LookToTake(TypedDict):
    """How a read continues after its first key frame.

    Keys:
        seconds: its minimum duration; `most_s`: the maximum, if key frames are rare.
        keys: number of key frames to wait for.
        every: whether all pictures count, or only key frames.
        skips: whether to decode only key frames, for expensive streams.
        early: conditions of an early end; omitted without one. Another visit looks longer at what fails.
    """

    seconds: float
    most_s: float
    keys: int
    every: bool
    skips: NotRequired[bool]
    early: NotRequired[EarlyEndToTake]


class PathToRead(TypedDict):
    """A path to read for a key frame, with its device.

    Keys:
        address: empty, and `port` 0, for a pushed path, which has no device.
        look: how to look at its picture; omitted to end with the key frame.
    """

    name: str
    on_demand: bool
    address: str
    port: int
    look: NotRequired[LookToTake]


class PathToProbe(PathToRead):
    """A path with its device's peer (public key).

    Keys:
        read_by: centres' users who look at it now; the relay watches them and does not read it.
        tried: whether the relay reads it anyway, to show that it can.
    """

    peer: str
    read_by: NotRequired[list[str]]
    tried: NotRequired[bool]


class GateRequest(LimitsRequest):
    """A look at paths around a change; `address` is the relay's.

    Keys:
        wait_s: delay of the look after the request's arrival.
        since: start of that delay instead, from the host's answer (`switched` of an armed change).
        early_s: paths may be read this long before the look; their streams must still flow at the look.
        first: whether to list sessions on arrival too.
        paths: paths to read.
        away: paths whose cameras' ports and last errors are checked.
    """

    address: str
    wait_s: NotRequired[float]
    since: NotRequired[float]
    early_s: NotRequired[float]
    first: NotRequired[bool]
    paths: list[PathToRead]
    away: list[PathToRead]


class DeviceToAsk(TypedDict):
    """A device to query by ONVIF.

    Keys:
        name: of the facility and the device.
        paths: its paths: their login is tried while one of them has a picture.
        profile: name or token of the expected media profile, or empty.
        again: whether to retry a login that it refused before.
    """

    name: str
    address: str
    port: int
    paths: list[str]
    profile: str
    again: NotRequired[bool]


class RelayToProbe(TypedDict):
    """A relay's paths to probe, in reading order; `read` may be false.

    With `samples_suffice`, paths that are always pulled are only sampled. `onvif` are devices to query.
    """

    address: str
    paths: list[PathToProbe]
    read: NotRequired[bool]
    samples_suffice: NotRequired[bool]
    onvif: NotRequired[list[DeviceToAsk]]


class ThroughHub(TypedDict):
    """The centre's MediaMTX for reading relays; unencrypted without `fingerprint`."""

    address: str
    port: int
    fingerprint: str


class RelayToRead(TypedDict):
    """A relay that a centre reads, and its login; `looks` by path.

    `fingerprint` is its certificate's, if encrypted; `through` is the hub to read instead.
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
    """The relays that a centre reads."""

    relays: list[RelayToRead]


class ProbeRequest(LimitsRequest):
    """Gather evidence about paths, and the host's facts."""

    operation: Literal["probe"]
    observe: ObserveRequest
    relay: NotRequired[RelayToProbe]
    centre: NotRequired[CentreToProbe]


class FlowLookRequest(TypedDict):
    """Return which paths flow, from two samples at most `sample_s` apart."""

    operation: Literal["flow"]
    paths: list[str]
    sample_s: float


class ProgramToInstall(TypedDict):
    """MediaMTX's path and checksum, and whether `files/artefact` brings it."""

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
    """Networks from which new SSH connections must be accepted."""

    check: bool
    ssh_port: int
    networks: list[str]


class ChangeRequest(TypedDict):
    """The common part of a change's calls.

    Keys:
        who: the author of the change.
        confirm_s: seconds that the switch waits for the next call.
        peers: the tunnel's public keys.
        sentinel: the path that shows that MediaMTX has read its file; empty without a relay.
        record: the run's first entry, for receipt and manifest.
        owner: the host's owner after a confirmed apply.
        epoch: the run's number among all runs on this host, for the first call.
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
    """Change the host to the files and arm; `gate` may be null.

    Keys:
        elsewhere: public keys and path names that move to another relay of the carrier with their secrets: they are not
            revoked.
        restart: units that do not answer, which the plan restarts.
        lift: quarantined paths to pull again with the refused login.
        meant: the digest of this call in the plan (`carried.digest`), which the host checks.
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
    """Renew the switch and look at paths."""

    operation: Literal["look"]
    gate: GateRequest


class ConfirmRequest(ChangeRequest):
    """Make the change persistent; `files` are the paths of our files."""

    operation: Literal["confirm"]
    files: list[str]
    observe: ObserveRequest


class AbortRequest(ChangeRequest):
    """Return to last-good at once."""

    operation: Literal["abort"]
    cause: str


class StatusRequest(ChangeRequest):
    """Return the run's status."""

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
    """The operating system: ID, VERSION_ID and ID_LIKE of os-release."""

    id: str
    version: Sentence
    like: list[str]


class MachineAnswer(TypedDict):
    """The machine; `ssh_peer` is the peer of this connection, or null."""

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
    """The second tunnel, with a relay's next key.

    Keys:
        alike: whether its peers, pre-shared keys and allowed IPs equal the first one's.
        moved: peers with a later handshake there, in seconds since 1970, by public key.
    """

    public_key: str
    listen_port: Count
    addresses: list[str]
    mtu: Count
    alike: bool
    moved: dict[str, Count]


class TunnelAnswer(LinkAnswer):
    """The live tunnel, and the second one during a relay's key change."""

    public_key: str
    listen_port: int
    peers: dict[str, PeerAnswer]
    following: NotRequired[SecondTunnelAnswer]


RuleAction = Literal["create", "update", "delete"]


class DifferenceAnswer(TypedDict):
    """A difference of the rules."""

    name: str
    action: RuleAction


class FirewallAnswer(TypedDict):
    """Whether our table is loaded, and its differences."""

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
    """A path's sessions by user and address."""

    user: str
    address: str
    path: str
    readers: Count


class UserRightsAnswer(TypedDict):
    """A user of the running relay: name, actions with their paths, networks."""

    user: Sentence
    rights: Annotated[list[Sentence], Longest(20)]
    ips: Annotated[list[Sentence], Longest(20)]


class AddedAnswer(TypedDict):
    """Paths and users of the running relay that its file lacks."""

    paths: Annotated[list[Sentence], Longest(20)]
    users: Annotated[list[UserRightsAnswer], Longest(20)]


class RuntimeAnswer(TypedDict):
    """The running relay's state; `readers` is null if unknown.

    `added` came through the Control API; omitted if there is none, or if unknown.
    """

    version: Sentence
    started: str
    sentinel: str | None
    viewers: dict[str, Count]
    readers: NotRequired[list[ReaderAnswer] | None]
    added: NotRequired[AddedAnswer]


class ProgramAnswer(TypedDict):
    """The installed MediaMTX program."""

    present: bool
    whole: bool
    version: Sentence


class GenerationAnswer(TypedDict):
    """A state that the host can return to."""

    run: str
    number: int
    at: Moment


class Manifest(TypedDict, total=False):
    """Our installation on the host: files, programs with checksums, confirmed run.

    `record` is that run's first entry.
    """

    files: list[str]
    programs: dict[str, str]
    run: str
    record: RecordHead | None


class Tombstones(TypedDict):
    """Removed items with their run: peers by key, others by name."""

    peers: dict[str, str]
    paths: dict[str, str]
    users: dict[str, str]


class Armed(TypedDict, total=False):
    """The armed change; `damaged` is set if its record is unreadable."""

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
    """The trust file of the last apply."""

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
    """How many people must approve which changes."""

    changes: ChangesToApprove
    role: str
    people: Count


class ApproverAnswer(TypedDict):
    """An approver's key; `until` is empty without a last day."""

    id: str
    key: str
    roles: list[str]
    carriers: list[str]
    since: str
    until: str


class ApprovalsAnswer(TypedDict):
    """The approval rules and approvers."""

    valid_hours: Count
    rules: list[ApprovalRuleAnswer]
    approvers: list[ApproverAnswer]


class PolicyAnswer(TypedDict):
    """The policy file of the last apply."""

    limits: dict[str, Count]
    freeze: list[str]
    signing: NotRequired[list[str]]
    protected: NotRequired[list[str]]
    approvals: NotRequired[ApprovalsAnswer]
    rego: NotRequired[list[str]]


class FrozenAnswer(TypedDict):
    """Frozen parts on the host: paths by facility, peers, addresses, cameras.

    `digests` are those of the files without them; `unclear` says why the parts cannot be assigned.
    """

    paths: dict[str, str]
    peers: dict[str, str]
    addresses: list[str]
    cameras: list[str]
    digests: dict[str, str]
    unclear: Sentence


class QuarantineAnswer(TypedDict):
    """A quarantined path; its login is a keyed digest."""

    since: str
    device: Sentence
    login: str


class RouteAnswer(TypedDict):
    """A route of another interface than the tunnel."""

    network: Sentence
    device: Sentence


class DefaultRouteAnswer(TypedDict):
    """The default route's interface and MTU."""

    device: Sentence
    mtu: Count


class PortAnswer(TypedDict):
    """A port in use by another program, and its user."""

    protocol: Sentence
    port: Count
    user: Sentence


class FactsAnswer(TypedDict):
    """A host's facts; `program`, `relay`, `runtime` and `firewalls` need a relay.

    `disks`, `clock` (begin and end, in seconds since 1970), `routes_elsewhere` (in the tunnel's networks), `way_out`
    and `ports_taken` are present if only the facts were requested. `firewalls` are others'.
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
    held: NotRequired[FrozenAnswer]
    quarantine: NotRequired[dict[str, QuarantineAnswer]]
    disks: NotRequired[Annotated[list[DiskAnswer], Longest(50)]]
    clock: NotRequired[Clock]
    routes_elsewhere: NotRequired[Annotated[list[RouteAnswer], Longest(20)]]
    way_out: NotRequired[DefaultRouteAnswer | None]
    ports_taken: NotRequired[Annotated[list[PortAnswer], Longest(20)]]
    live_digest: str


class HostEpoch(TypedDict):
    """The last run that began to change this host."""

    number: int
    run: str
    who: str
    at: str


class ReleaseAnswer(TypedDict):
    """The host is released."""

    released: bool


class RemoveAnswer(TypedDict):
    """Everything of ours is removed; `notes` name similar things that stay."""

    removed: bool
    notes: Annotated[list[Sentence], Longest(10)]


class BareAnswer(TypedDict):
    """Output of a bare host's shell (`prepare.sh`)."""

    said: str


class SealedKeyAnswer(TypedDict):
    """The tunnel's sealed private key, as a box in base64."""

    recovery: PublicKey
    public_key: PublicKey
    box: Annotated[str, Pattern("[A-Za-z0-9+/]{128}")]


class KeysAnswer(TypedDict):
    """Public key, a relay's password hashes, and the sealed key.

    `following` and `sealed_following` are the tunnel's next public key and its box.
    """

    public_key: PublicKey
    api_hash: NotRequired[PasswordHash]
    probe_hash: NotRequired[PasswordHash]
    sealed: NotRequired[SealedKeyAnswer]
    following: NotRequired[PublicKey]
    sealed_following: NotRequired[SealedKeyAnswer]


# --- evidence about paths -------------------------------------------------------------------------
class TrackAnswer(TypedDict, total=False):
    """A track in MediaMTX's words; null if unknown."""

    codec: str | None
    width: int | None
    height: int | None


class SampleAnswer(TypedDict):
    """A path's state in MediaMTX; `damaged` counts its unusable packets."""

    available: bool
    online: bool
    inbound_bytes: Count
    damaged: NotRequired[Count]
    tracks: NotRequired[list[TrackAnswer]]


class SceneAnswer(TypedDict):
    """Measures of a picture, in levels of luma (0 black, 255 white).

    Keys:
        median, bright, spread: of the pixels between the bands with clocks. `bright` is the brightest few above the
            median, `spread` the range of 98 %.
        one_level, three_levels: the share of the most frequent level, or of three.
        levels: the number of levels with 95 % of these pixels.
        flat_cells: the share of cells without content.
        gradient_p50, gradient_p90, gradient_p99: quantiles of slopes between the bands.
        steepest: the slope of one pixel in two hundred, including the bands.
        sharpness: steepness of edges relative to their height.
        grid: edges, a hexadecimal digit for each of 32x16 cells; `strengths`: their strengths in half octaves, for 16x8
            cells.
        digest: identifies the picture.
        colours: the levels of blue that a tenth of the picture is below and above, then those of red; 128 is grey.
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
    colours: Colours


class PacketsAnswer(TypedDict):
    """Measures of a look's packets, from its first key packet on.

    Keys:
        count, bytes: their number and size.
        span_s: their display time; `arrived_s`: their arrival time.
        step_s, longest_s: the usual and the longest step between pictures.
        gaps: steps that miss a picture.
        equal: packets with another's display time; `backward`: packets shown before an earlier key frame.
        keys: digests of the first key packets; `key_count`: their number.
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
    """Measures of a look at a stream.

    Keys:
        every: whether all pictures were counted, or only key frames.
        looked_s: its duration since the first key frame.
        frames, owed: decoded pictures, and packets to decode.
        key_frames: the key frames among them.
        complaints: the decoder's complaints of damage; `missed`: lost RTP packets.
        declared_fps: the rate that the stream declares, or null.
        scene: measures of the last picture, or null.
        differences: each key picture's difference from the one before, in levels; `digests`: their digests.
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


class KeyFramesAnswer(TypedDict):
    """How rare key frames are in a read.

    Keys:
        without_s, between_s: the longest time of pictures without one, and between two.
        waited_s: the time until the first one.
    """

    without_s: Size
    between_s: Size
    waited_s: Size


class ReadAnswer(TypedDict, total=False):
    """A read: a key frame, an `error`, or the reason of `not_run`.

    `picture` is the look after the key frame; null if its packets are missing. `keys` is there only if key frames are
    rare, also in a read that waited for one in vain.

    For an on-demand path also its state `after`, the number of its device's paths `pulled` then, and the connections to
    the device (`connected`, null if unknown).
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
    keys: KeyFramesAnswer
    after: SampleAnswer | None
    pulled: int
    connected: int | None


class ReadersRequest(TypedDict):
    """Standard input of the confined readers, after their modules.

    A login is address, port, user, password and certificate fingerprint (if encrypted). A turn is a login's name and a
    path; `looks` are by turn number, `brief` are turns that another visit reads again if they fail. `until` is on the
    host's monotonic clock. `cores` limits the readers' processors; null is no limit.
    """

    logins: dict[str, tuple[str, int, str, str, str]]
    turns: list[list[str]]
    looks: dict[str, LookToTake]
    brief: list[int]
    readers: int
    read_s: float
    until: float
    cores: float | None


class AskingTurn(TypedDict):
    """A device to query by ONVIF; without a login it refused before."""

    address: str
    port: int
    login: tuple[str, str] | None
    profile: str


class AskingRequest(TypedDict):
    """Standard input of the confined ONVIF client."""

    devices: list[AskingTurn]
    at_once: int
    until: float


AccountOutcome = Literal[
    "told", "silent", "wrong answer", "login refused", "login refused before", "not asked", "not run"
]


class DeviceClockAnswer(TypedDict):
    """A device's clock between two times of the host's (since 1970).

    `shown` is its display time read as UTC; null if unknown.
    """

    before: Annotated[float, Bounds(0, 7_258_118_400)]
    after: Annotated[float, Bounds(0, 7_258_118_400)]
    utc: Annotated[int, Bounds(0, 7_258_118_400)] | None
    shown: Annotated[int, Bounds(0, 7_258_118_400)] | None


class MediaProfileAnswer(TypedDict):
    """Whether a device has the profile, its size (0: unknown), and names."""

    there: bool
    width: Count
    height: Count
    names: Annotated[list[Sentence], Longest(8)]


class AccountAnswer(TypedDict):
    """A device's ONVIF data, or in `outcome` the reason without.

    Keys:
        detail: what happened instead, in our words except for a fault's.
        tried: whether a login was sent without an answer.
        profiles_refused: whether it refuses the accepted login for media profiles.
        profile: omitted if not requested or not answered.
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
    """An on-demand path's state during a centre's read.

    Keys:
        after: its state; `pulled` counts its device's paths at the relay then.
        connected: connections to the device; null if unknown.
    """

    after: SampleAnswer
    pulled: Count
    connected: int | None


class StreamEndsAnswer(TypedDict):
    """How a path's stream ended lately, from MediaMTX's log.

    Keys:
        stopped, closed: ends by silence, and all others.
        lasted_s: the usual time from start to end; null if no start is in the log.
        longest_s: the longest time from start to end; null if no start is in the log.
        since_s: the time since the start of the present stream; null if it has ended.
    """

    stopped: Count
    closed: Count
    lasted_s: Size | None
    longest_s: NotRequired[Size | None]
    since_s: NotRequired[Size | None]


class PathEvidenceAnswer(TypedDict):
    """A path's two samples and its read.

    Keys:
        on_demand: its state during a centre's read; omitted if not observed.
        unsteady: whether it came or went during the look.
        ends: how its stream ended lately; omitted if it did not.
    """

    samples: Annotated[list[SampleAnswer | None], Bounds(2, 2)]
    read: ReadAnswer | None
    on_demand: NotRequired[OnDemandAnswer]
    unsteady: NotRequired[bool]
    ends: NotRequired[StreamEndsAnswer]


class IcmpAnswer(TypedDict):
    """The ICMP message that ended a connection; `own` from this host."""

    sender: str
    type: Level
    code: Level
    own: NotRequired[bool]


class DeviceReplyAnswer(TypedDict):
    """A device's answer to a request for its picture without a login.

    Keys:
        kind: `nothing` after an accepted connection, `closed` without data, `slow` if RTSP begins and does not go on,
            `rtsp`, `http`, `tls`, or `other`.
        status: of RTSP.
        media: the offered media of its description.
        redirect: host and port of a redirect.
    """

    kind: Literal["nothing", "closed", "slow", "rtsp", "http", "tls", "other"]
    status: int | None
    media: list[str]
    redirect: NotRequired[Sentence]


class DeviceEvidenceAnswer(TypedDict):
    """A device's connection result; `said` if a path is dark."""

    address: str
    port: Port
    outcome: Sentence
    seconds: float
    icmp: NotRequired[IcmpAnswer]
    said: NotRequired[DeviceReplyAnswer]


CentreRouteAnswer = DeviceEvidenceAnswer  #: A relay's RTSP port as seen from a centre.


class GatewayEvidenceAnswer(TypedDict):
    """A gateway's answers to ICMP.

    Keys:
        small: whether a small packet was answered.
        full: whether one of `size` bytes, the tunnel's MTU, was answered.
        refuses: whether it rejects unmapped ports, so that silence means a mapped port.
    """

    address: str
    small: bool
    full: bool
    size: Count
    refuses: bool


class DropAnswer(TypedDict):
    """A chain of this host that dropped a probe's packet.

    Keys:
        incoming: whether the packet came from that address and port, or was sent there.
        tunnel: whether it was one of WireGuard's own.
    """

    family: Sentence
    table: Sentence
    chain: Sentence
    incoming: bool
    tunnel: bool
    address: str
    port: Count


class BaseChainAnswer(TypedDict):
    """A base chain of another table on this host."""

    family: Sentence
    table: Sentence
    chain: Sentence
    hook: Sentence
    policy: Sentence


class CloserLookAnswer(TypedDict):
    """Results of a closer probe; `drops` is null without a trace."""

    drops: Annotated[list[DropAnswer], Bounds(0, 1000)] | None
    gateways: list[GatewayEvidenceAnswer]


class DiskAnswer(TypedDict):
    """A disk below our folders; `inodes` tells whether any are free."""

    folder: Sentence
    size: Count
    free: Count
    inodes: bool
    writable: bool


class PeerEvidenceAnswer(TypedDict):
    """A peer's addresses and handshake, and its bytes around the connections."""

    allowed_ips: list[str]
    handshake_age_s: Annotated[float, Bounds(-31_622_400, 2.0**63)] | None
    received_bytes: Pair
    sent_bytes: Pair


class TunnelEvidenceAnswer(TypedDict):
    """Routes, and peers by public key."""

    routes: list[str]
    peers: dict[str, PeerEvidenceAnswer]


class EndpointAnswer(TypedDict):
    """An address and a port."""

    address: str
    port: Port


class SourceAnswer(EndpointAnswer):
    """Connections to an address, those with a picture, and those later (`now`)."""

    count: Count
    flowing: Count
    now: NotRequired[Count]


class SourcesAnswer(TypedDict):
    """The relay's source connections; `halted` devices had too many attempts."""

    connections: list[SourceAnswer]
    halted: list[EndpointAnswer]


class DeliveryAnswer(TypedDict):
    """Delivery to a reader's session while watched.

    Keys:
        address, port: the reader's.
        packets, discarded: packets that MediaMTX sent, and discarded for a slow reader.
        sent, again: bytes sent, and retransmitted ones among them.
        waiting: unsent or unacknowledged bytes.
        busy_s: time with data to send; `unread_s`: the part with the reader's buffer full.
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


class ArrivalAnswer(EndpointAnswer):
    """Data received on a connection while watched.

    Keys:
        own_port: the local port.
        received, segments: bytes and packets; `disordered`: packets ahead of a lost or late one.
        waiting: unread bytes.
    """

    own_port: Count
    seconds: Size
    received: Count
    segments: Count
    disordered: Count
    waiting: Count


class FlowAnswer(TypedDict):
    """A path's data from its source while available.

    Keys:
        still_s: the longest time without data.
    """

    seconds: Size
    bytes: Count
    still_s: Size


class RelayDeliveriesAnswer(TypedDict):
    """Transport from a relay's sources to its readers; `flows` by path."""

    readers: Annotated[list[DeliveryAnswer], Longest(10_000)]
    sources: Annotated[list[ArrivalAnswer], Longest(10_000)]
    flows: dict[str, FlowAnswer]


class SpanAnswer(TypedDict):
    """A part of a visit with start and duration; parts overlap."""

    what: str
    at: float
    seconds: float


class PusherAnswer(TypedDict):
    """A site's publishing session: path and address."""

    path: Sentence
    address: Sentence


class PublishingAnswer(TypedDict):
    """A relay's publishers and refused ones.

    Keys:
        sessions: null if unknown.
        refused: recently refused addresses with counts.
    """

    sessions: list[PusherAnswer] | None
    refused: dict[str, Count]


class ServiceAnswer(TypedDict):
    """The state of MediaMTX's service during a look.

    Keys:
        restarts: systemd's automatic restarts within the last hour.
        ended: how its last process ended, in systemd's words.
        age_s: the age of its process; 0 without one.
        files, most_files: its open files and their limit; 0 if unknown.
        listens: whether it waits for readers; `lacked_files`: whether its log has a lack of files, if it does not.
        seconds: the time of the look, 0 if its process changed; `ran_s`, `waited_s`: the time that its threads ran, and
            waited for a processor.
        stolen: the share of the machine's processor time that its hypervisor took.
    """

    restarts: Count
    ended: Sentence
    age_s: Size
    files: Count
    most_files: Count
    listens: bool
    lacked_files: bool
    seconds: Size
    ran_s: Size
    waited_s: Size
    stolen: Share


class RelayEvidenceAnswer(TypedDict):
    """A relay's evidence about its paths.

    Keys:
        sources: null if unknown.
        errors: last errors by path.
        closer: probe of the devices of dark paths.
        chains: other tables' chains; null if unknown.
        onvif: devices' ONVIF data by name.
        publishing: omitted if no path is pushed.
        not_installed: requested devices that are not installed here, so they were not contacted; omitted if empty.
        service: omitted in the looks of a change.
        logins_taken: devices that take a login which they refuse MediaMTX; omitted if empty.
    """

    unit: Sentence
    api_error: Sentence
    tunnel: TunnelEvidenceAnswer
    devices: list[DeviceEvidenceAnswer]
    paths: dict[str, PathEvidenceAnswer]
    sources: SourcesAnswer | None
    errors: dict[str, Annotated[list[Sentence], Longest(50)]]
    deliveries: NotRequired[RelayDeliveriesAnswer]
    closer: NotRequired[CloserLookAnswer]
    chains: NotRequired[Annotated[list[BaseChainAnswer], Bounds(0, 1000)] | None]
    onvif: NotRequired[dict[str, AccountAnswer]]
    publishing: NotRequired[PublishingAnswer]
    not_installed: NotRequired[list[EndpointAnswer]]
    service: NotRequired[ServiceAnswer]
    logins_taken: NotRequired[list[EndpointAnswer]]


class CentreEvidenceAnswer(TypedDict):
    """A centre's reads by relay and path; `ways` of unreadable relays."""

    tunnel: TunnelEvidenceAnswer
    relays: dict[str, dict[str, ReadAnswer]]
    incoming: NotRequired[Annotated[list[ArrivalAnswer], Longest(10_000)]]
    ways: NotRequired[list[CentreRouteAnswer]]
    closer: NotRequired[CloserLookAnswer]


class TimesAnswer(TypedDict):
    """A visit's duration and parts."""

    seconds: float
    spans: NotRequired[Annotated[list[SpanAnswer], Longest(50)]]


class ProbeAnswer(TimesAnswer):
    """A host's facts, or the error, and its evidence.

    Keys:
        clock: the host's clock at begin and end, in seconds since 1970.
        disks: those below our folders.
    """

    facts: FactsAnswer | None
    facts_error: Sentence
    clock: NotRequired[Clock]
    disks: NotRequired[Annotated[list[DiskAnswer], Longest(50)]]
    relay: NotRequired[RelayEvidenceAnswer]
    centre: NotRequired[CentreEvidenceAnswer]


class FlowLookAnswer(TypedDict):
    """Whether each path flows; missing paths are left out."""

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
        available: whether it has a stream, and `since` when.
        bytes: received from its source since then.
        flowed: whether bytes came between the two looks before a switch.
    """

    available: bool
    since: str
    bytes: Count
    flowed: bool
    readers: list[str]


class PeerSessionAnswer(TypedDict):
    """A tunnel peer's last handshake, received bytes and allowed IPs."""

    handshake: Count
    received: Count
    allowed_ips: list[str]


class RulesAnswer(TypedDict):
    """The live rules: the cameras set and digests.

    Keys:
        rest: of the rest of our table; empty if it is not loaded.
        doors: of the sets that admit others.
        around: of other tables and the tunnel's routes, which may block cameras.
    """

    cameras: list[str]
    rest: str
    doors: str
    around: str


class SessionsAnswer(TypedDict):
    """Readers and paths at the time `at`, by the host's clock.

    Keys:
        over_s: before a switch, the time span of `flowed`.
        started, paths: null without an answering relay.
        rules: null if unknown.
        changed: after a switch, paths that the relay's file changed.
        quarantined: quarantined paths.
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
    """A look; `relay` is null if no path was read.

    Keys:
        waited_s: delay of the look since its start.
        first: the sessions on arrival, if requested.
    """

    sessions: SessionsAnswer
    relay: RelayEvidenceAnswer | None
    waited_s: NotRequired[float]
    first: NotRequired[SessionsAnswer]


class Lease(TypedDict):
    """The lease file: the run that may change the host."""

    run: str
    who: str
    since: str
    due: float


class ChangeParts(TypedDict, total=False):
    """Optional parts of answers.

    Keys:
        refusal: the reason of `refused`.
        holder: of `locked` and `busy`.
        facts: of `stale`, and of `applied` if readable.
        switched: of `armed`, the switch's time in seconds since boot.
        affected: of a rollback, the differing paths; `removed` are those that go.
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
