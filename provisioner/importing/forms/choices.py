"""The words of provinces' choices: the template's first, then other common ones.

Words are compared without case, marks, spaces and signs; similar words do not count. The model's own values are words,
too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from provisioner.base.vietnamese import fold
from provisioner.importing.contacts.store import ROLE_LABELS, Role
from provisioner.inventory import makes
from provisioner.inventory.explanation.value_words import VALUE_WORDS
from provisioner.inventory.model import facility as models
from provisioner.inventory.model.devices import Codec, Make, StreamName, Zone
from provisioner.inventory.model.orders import ManagingBody


class DeviceKind(StrEnum):
    """The device of a row in the sheet of cameras."""

    CAMERA = "camera"
    CHANNEL = "channel"
    RECORDER = "recorder"


class YesNo(StrEnum):
    """A mark that is set or not."""

    YES = "yes"
    NO = "no"


@lru_cache(maxsize=4096)
def word_key(text: str) -> str:
    """Return the key that compares words and headers: lower-case letters and digits."""
    return fold(text).replace("-", "")


@dataclass(frozen=True)
class Choice:
    """A closed list of values, each with words, the template's first."""

    words: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys: dict[str, str] = {}
        for value, words in self.words.items():
            for key in map(word_key, (value, *words)):
                if keys.setdefault(key, value) != value:
                    raise ValueError(f"{key} means both {keys[key]} and {value}")
        object.__setattr__(self, "keys", keys)

    def find(self, text: str) -> str | None:
        """Return the value of a word."""
        return self.keys.get(word_key(text))

    def label(self, value: str) -> str:
        """Return the template's word for a value."""
        return self.words[value][0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The template's words, in order."""
        return tuple(words[0] for words in self.words.values())


def _choice(words: Iterable[tuple[StrEnum, str]]) -> Choice:
    """Make a choice from pairs `value, "word | another word"`."""
    return Choice({value.value: tuple(word.strip() for word in listed.split("|")) for value, listed in words})


def _choice_of(kind: type[StrEnum]) -> Choice:
    return _choice((value, words) for value, words in VALUE_WORDS if isinstance(value, kind))


KINDS = _choice_of(models.FacilityKind)
BODIES = _choice_of(ManagingBody)
OPERATING = _choice_of(models.Operating)
ROLES = _choice(
    (role, f"{ROLE_LABELS[role]} | {others}")
    for role, others in (
        (Role.REPRESENTATIVE, "Đại diện | Người đại diện | Đầu mối | Đầu mối cơ sở | Phụ trách"),
        (Role.TECHNICIAN, "Kỹ thuật viên | Cán bộ kỹ thuật | CNTT"),
        (Role.DIC, "Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN | Sở Khoa học và Công nghệ"),
        (Role.HEALTH, "Y tế"),
        (Role.CARRIER, "Doanh nghiệp | Viettel | VNPT | Nhà mạng"),
    )
)
PARTIES = _choice_of(models.Party)
UPLINKS = _choice_of(models.UplinkKind)
UPLINK_ADDRESSES = _choice_of(models.UplinkAddress)
RTSP = _choice_of(models.RtspState)
LOGINS = _choice_of(models.LoginState)
VERDICTS = _choice_of(models.SurveyVerdict)
OBSTACLES = _choice_of(models.BlockReason)
OWNERS = _choice_of(models.BlockOwner)
ZONES = _choice_of(Zone)
DEVICES = _choice(
    (
        (DeviceKind.CAMERA, "Camera IP | IP camera | Camera mạng"),
        (DeviceKind.CHANNEL, "Kênh đầu ghi | Kênh | Camera qua đầu ghi | Camera analog"),
        (DeviceKind.RECORDER, "Đầu ghi | Đầu ghi hình | NVR | DVR"),
    )
)
MAKES = Choice(
    {make.value: maker.words for make, maker in makes.MAKES.items()}
    | {Make.GENERIC.value: ("Hãng khác", "Khác", "Không rõ")}
)
CODECS = _choice(((Codec.H264, "H.264 | AVC | H.264+ | x264"), (Codec.H265, "H.265 | HEVC | H.265+ | x265")))
STREAMS = _choice(
    (
        (StreamName.SUB, "Luồng phụ | Phụ | Sub stream | Substream"),
        (StreamName.MAIN, "Luồng chính | Chính | Main stream | Mainstream"),
    )
)
YES_NO = _choice(((YesNo.YES, "Có | x | true | 1 | Rồi"), (YesNo.NO, "Không | false | 0 | Chưa")))
NO_OBSTACLE = frozenset(map(word_key, ("Không", "Không có", "Không vướng", "Không vướng mắc", "none")))
