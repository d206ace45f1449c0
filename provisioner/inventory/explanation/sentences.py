"""Sentences that name a rule behind a refusal; each says what to do next."""

from __future__ import annotations

from provisioner.base.vietnamese import fold

ZONE_RULE = (
    "order 4403/CV-BCĐ of 2021-05-30 allows corridors, lobbies, yards, gates and the outside of shared baths and"
    " toilets, never the inside of rooms, toilets or baths: move the camera or leave it out"
)

UNSAFE_USER_HINT = (
    "only letters, digits, '_', '.', ':' and '-' are allowed: the name reaches Ansible, where a template such as"
    " {{ lookup('pipe', …) }} would run a command on the controller"
)

_ROOM_WORDS = frozenset(
    {
        *("phong", "trong_phong", "phong_o", "phong_ngu", "phong_cach_ly", "phong_benh"),
        *("phong_tam", "nha_tam", "nha_ve_sinh", "trong_nha_ve_sinh", "nha_tam_ve_sinh", "wc", "toilet", "toilets"),
        *("bath", "baths", "bathroom", "shower", "restroom", "room", "rooms", "bedroom", "in_room", "inside_room"),
    }
)

PATTERN_HINTS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "an id is lower-case letters, digits and single hyphens, e.g. kcl-bg-001",
    r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$": "a WireGuard public key is the 44 characters that `wg pubkey` prints",
    r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$": "letters, digits, '_', '.', ':' and '-' only",
    r"^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/]+=*$": (
        "type and key without host name or comment, as `ssh-keyscan` prints them: ssh-ed25519 AAAA…"
    ),
    r"^[0-9a-f]{64}$": "a SHA-256 checksum is 64 hexadecimal digits, as `sha256sum` prints it",
    r"^1\.(20\.[1-9]\d*|21\.\d+)$": "versions 1.20.1 and later of 1.20 and 1.21 are supported, e.g. 1.21.0",
    r"^(release|https?://\S+|file:\S+)$": "write release, an https:// address, or file: and a path",
    r"^/[\x21-\x7e]*$": "an RTSP path begins with '/' and holds no spaces or accents",
    r"^[a-z][a-z0-9._-]{0,14}$": "an interface's name on the gateway, e.g. br-lan",
    r"^[^\x00-\x1f\x7f]+$": "write one line of text",
    r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){1,2}$": (
        "write how the paths begin: <province>/<facility>, or <province>/<facility>/<device>"
    ),
    (
        r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
        r" [A-Za-z0-9+/]+={0,2}$"
    ): ("an SSH public key without its comment, which usually names a person: the first two words of the .pub file"),
    r"^https?://[\x21-\x7e]+$": "write https://HOST[:PORT]/PATH, e.g. https://noc.example.com/hooks/provisioner",
    r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$": "the name or address of a server, e.g. mail.example.com",
    r"^[A-Za-z0-9+/]+={0,2}$": "`provisioner sign-off` writes this; do not edit it",
    r"^sha256:[A-Za-z0-9+/]{43}=$": "`provisioner keys init` writes this; do not edit it",
}


def is_inside_a_room(zone: str) -> bool:
    """Tell whether a zone's name says the inside of a room, toilet or bath, in Vietnamese or English."""
    return fold(zone).replace("-", "_") in _ROOM_WORDS
