"""What a camera sends in the seconds of a look: drawn, filtered and encoded by ffmpeg as an encoder at work does it."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random

from tests.pictures.cameras import Camera, Light, Night, Weather
from tests.pictures.canvas import Canvas, chance
from tests.pictures.faults import FROZEN, HEALTHY, STANDING, Fault, Trouble
from tests.pictures.scenes import HEIGHT, VIEW, WIDTH, Scene, scene_of, things

_SIZE = (VIEW[2], VIEW[3])
_LIGHT = (64, 36)
_CLOCK = (240, 18)
_WARM_S = 1.2
_DRAWN = {Fault.BLACK, Fault.BLACK_NOISE, Fault.CARD, Fault.FLAT}
# How bright a picture is from night to night that drifts to black.
_DARKENING = (0.4, 0.12, 0.0)

_START = b"\x00\x00\x01"
_SLICE, _IDR = 1, 5


@dataclass(frozen=True, slots=True)
class Unit:
    """One coded picture."""

    nals: tuple[bytes, ...]  #: Its parts, without start codes.
    at: float  #: Its time of presentation, in seconds.
    key: bool  #: Whether it can be decoded by itself.


@dataclass(frozen=True, slots=True)
class Shot:
    """One look at one camera: everything that decides what is sent."""

    camera: Camera
    night: Night
    seconds: float
    trouble: Trouble = HEALTHY
    begun: int = 0  #: In which night the trouble began: what stands still is of then.

    @property
    def random(self) -> Random:
        """Chance, the same for the same shot."""
        return self._chance(self.night.number)

    @property
    def content(self) -> Random:
        """Chance for what is in the picture: the same for as long as it stands still."""
        return self._chance(self.begun) if self.trouble.fault in STANDING else self.random

    @property
    def warm_s(self) -> float:
        """For how long the encoder has run before the look: its first key frame is not like those after it."""
        return self.random.uniform(1.2, 3.5) if self.trouble.fault in FROZEN else _WARM_S

    def _chance(self, number: int) -> Random:
        camera, night = self.camera, self.night
        return chance("shot", camera.seed, camera.number, number, night.light.value, self.trouble.fault.value)


@lru_cache(maxsize=4)
def _scene(number: int) -> Scene:
    return scene_of(number)


def scene_number(camera: Camera) -> int:
    """Which scene a camera looks at: kinds take turns, seeds change the drawing."""
    return camera.seed * 100_000 + camera.number


def film(shot: Shot, folder: Path) -> tuple[Unit, ...]:
    """What the encoder makes of a shot, from a key frame on; faults of the stream are not in it yet.

    Args:
        shot: the look.
        folder: where inputs of ffmpeg may be written.
    """
    camera = shot.camera
    rate = camera.agreed_fps / 2 if shot.trouble.fault is Fault.HALF else float(camera.agreed_fps)
    inputs, graph = _graph(shot, folder, rate, shot.content)
    seconds = shot.warm_s + shot.seconds
    keys = ",".join(f"{at:.3f}" for at in _key_times(shot))
    coder = ["-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-threads", "1", "-pix_fmt", "yuv420p"]
    coder += ["-g", "100000", "-sc_threshold", "0", "-force_key_frames", keys, *_rate_control(camera)]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-filter_complex_threads", "1", *inputs]
    command += ["-filter_complex", graph, "-map", "[out]", "-t", f"{seconds:.3f}", "-r", f"{rate:g}", *coder]
    stream = subprocess.run([*command, "-f", "h264", "-"], check=True, capture_output=True, timeout=900).stdout
    return _settled(_units(stream, rate))


def _key_times(shot: Shot) -> list[float]:
    every = min(shot.trouble.loop_s or shot.camera.key_s, shot.camera.key_s)
    times, at = [0.0], shot.warm_s
    while at < shot.warm_s + shot.seconds:
        times.append(at)
        at += every
    return times


def _rate_control(camera: Camera) -> list[str]:
    limit = ["-maxrate", f"{camera.kbit}k", "-bufsize", f"{camera.kbit}k"]
    return ["-b:v", f"{camera.kbit}k", *limit] if camera.constant else ["-crf", "28", *limit]


# --- the picture ----------------------------------------------------------------------------------
def _graph(shot: Shot, folder: Path, rate: float, random: Random) -> tuple[list[str], str]:
    night, trouble = shot.night, shot.trouble
    drawn, frozen = trouble.fault in _DRAWN, trouble.fault in FROZEN
    if shot.camera.footage and not drawn:
        return _with_clock(shot, folder, *_footage(shot, rate, random))
    inputs = _raw(folder / "scene", _canvas(shot, random), rate)
    inputs += _raw(folder / "light", _light(shot, _scene(scene_number(shot.camera)), random), rate)
    chain = f"[0:v]{_view(shot)}[view];[1:v]scale={_SIZE[0]}:{_SIZE[1]}:flags=bicubic,format=gray[light];"
    chain += "[view][light]blend=all_mode=multiply,"
    if drawn:
        chain = f"[1:v]nullsink;[0:v]crop={_SIZE[0]}:{_SIZE[1]},"
    chain += f"lut=y='clip({_tone(night, drawn=drawn)},16,235)'{_softness(shot)}"
    if trouble.fault is Fault.DARKENING:
        chain += f",lut=y='16+(val-16)*{_DARKENING[min(len(_DARKENING) - 1, night.number - shot.begun)]}'"
    grain = trouble.grain or (min(1, night.grain) if drawn else night.grain)
    if trouble.fault is Fault.CARD:
        grain = 0
    noise = f",noise=alls={grain}:allf={{}}:all_seed={random.randrange(1, 99_999)}" if grain else ""
    chain += noise.format("u") if frozen else ""
    chain += ",format=yuv420p,loop=loop=-1:size=1:start=0,setpts=N/(FR*TB)"
    still = drawn or frozen
    chain += noise.format("t") if trouble.grain else ""
    for place, (name, canvas, how) in enumerate(() if still else _moving(night, random), 2):
        inputs += _raw(folder / name, canvas, rate, alpha=True)
        chain += f"[a{place}];[{place}:v]format=yuva420p{how[0]}[b{place}];[a{place}][b{place}]overlay={how[1]}"
    if not still:
        chain += ",eq=gamma='if(lt(t,2.6),1,0.75)':eval=frame" if night.switches else ""
        chain += _front(trouble)
        chain += noise.format("t")
        chain += ",tmix=frames=4" if shot.camera.averages and grain else ""
    return _with_clock(shot, folder, inputs, chain)


def _with_clock(shot: Shot, folder: Path, inputs: list[str], chain: str) -> tuple[list[str], str]:
    if shot.camera.clock or shot.trouble.fault is Fault.FROZEN_CLOCK:
        number = sum(1 for one in inputs if one == "-i")
        inputs += _clock(folder / "clock", shot)
        chain += f"[bare];[bare][{number}:v]overlay=x=8:y=6:eof_action=repeat"
    return inputs, f"{chain},format=yuv420p[out]"


def _front(trouble: Trouble) -> str:
    """What stands between the scene and the sensor, or is wrong with the sensor."""
    left, top, wide, high = trouble.veil
    grey = f"0x{trouble.grey:02x}{trouble.grey:02x}{trouble.grey:02x}"
    box = f",drawbox=x=iw*{left}:y=ih*{top}:w=iw*{wide}:h=ih*{high}:color={grey}@0.9:t=fill" if wide else ""
    blue, red = trouble.cast
    return box + (f",lutyuv=u='clip(val+{blue},16,240)':v='clip(val+{red},16,240)'" if blue or red else "")


def _footage(shot: Shot, rate: float, random: Random) -> tuple[list[str], str]:
    """A window of a film from any moment on: its light by gamma, and what is wrong with it."""
    camera, night, trouble = shot.camera, shot.night, shot.trouble
    place = chance("window", camera.seed, camera.number)
    share = place.uniform(0.6, 0.85)
    (left, top), (width, height) = (place.uniform(0.25, 0.75), place.uniform(0.25, 0.75)), camera.size
    left += trouble.shift[0] / 640 * share / (1 - share) + night.sag[0] / 640
    top += trouble.shift[1] / 360 * share / (1 - share) + night.sag[1] / 360
    share /= trouble.zoom
    window = f"min(iw,ih*16/9)*{share:.4f}"
    steps = [
        f"crop=w='{window}':h='{window}*9/16':x=(iw-ow)*{min(1, max(0, left)):.4f}:y=(ih-oh)*{min(1, max(0, top)):.4f}"
    ]
    steps.append(f"scale={width}:{height}:flags=bicubic,fps={rate:g},format=yuv420p")
    if trouble.cover == 1:
        steps.append(f"drawbox=t=fill:color=0x{trouble.grey:02x}{trouble.grey:02x}{trouble.grey:02x}")
    elif trouble.cover:
        x = 1 - trouble.cover if random.random() < 0.5 else 0
        steps.append(f"drawbox=x=iw*{x}:w=iw*{trouble.cover}:h=ih:t=fill:color=0x{trouble.grey:02x}0000")
    steps.append(_light_of_footage(shot))
    frozen = trouble.fault in FROZEN
    grain = f",noise=alls={night.grain}:allf={'u' if frozen else 't'}:all_seed={random.randrange(1, 99_999)}"
    chain = f"[0:v]{','.join(steps)}{_softness(shot)}{_front(trouble)}{grain if night.grain else ''}"
    if frozen:
        chain += ",loop=loop=-1:size=1:start=0,setpts=N/(FR*TB)"
    elif camera.averages and night.grain:
        chain += ",tmix=frames=4"
    begin = f"{random.uniform(0, 20):.2f}"
    return ["-stream_loop", "-1", "-ss", begin, "-i", camera.footage], chain


def _light_of_footage(shot: Shot) -> str:
    """Day as it was filmed; night by gamma, less colour, and none under infrared."""
    night = shot.night
    gain = night.gain
    if shot.trouble.fault is Fault.DARKENING:
        gain *= _DARKENING[min(len(_DARKENING) - 1, night.number - shot.begun)]
    gamma, colour = {
        Light.DAY: (1.0, 1.0),
        Light.LIT: (1.3, 0.8),
        Light.DUSK: (1.8, 0.7),
        Light.IR: (1.6, 0.0),
        Light.LAMPS: (2.6, 0.5),
        Light.DARK: (6.0, 0.2),
    }[night.light]
    grey = f"'128+(val-128)*{colour * min(1, gain)}'"
    return f"lutyuv=y='16+219*clip(pow(max(0,val-16)/219,{gamma})*{gain:.4f},0,1)':u={grey}:v={grey}"


def _raw(place: Path, canvas: Canvas | bytes, rate: float, *, alpha: bool = False) -> list[str]:
    """A picture as an input of ffmpeg."""
    if isinstance(canvas, bytes):
        place.write_bytes(canvas)
        size = _SIZE
    else:
        place.write_bytes(bytes(canvas.pixels))
        size = (canvas.width, canvas.height)
    kind = ["-f", "rawvideo", "-pix_fmt", "ya8" if alpha else "gray", "-s", f"{size[0]}x{size[1]}"]
    return [*kind, "-framerate", f"{rate:g}", "-i", str(place)]


def _canvas(shot: Shot, random: Random) -> Canvas:
    trouble = shot.trouble
    if trouble.fault is Fault.CARD:
        return _card(trouble, random)
    if trouble.fault in _DRAWN:
        return Canvas(*_SIZE, trouble.grey)
    canvas = things(_scene(scene_number(shot.camera)), shot.night.standing)
    if trouble.cover == 1:
        canvas = Canvas(WIDTH, HEIGHT, trouble.grey)
        # Cloth or a hand just before the glass: soft, and a little uneven.
        for _ in range(6):
            canvas.disc(random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.uniform(80, 200), trouble.grey + 4)
    elif trouble.cover:
        left = VIEW[0] + (VIEW[2] * (1 - trouble.cover) if random.random() < 0.5 else 0)
        canvas.rect(left, 0, VIEW[2] * trouble.cover, HEIGHT, trouble.grey)
    return canvas


def _card(trouble: Trouble, random: Random) -> Canvas:
    card = Canvas(*_SIZE, trouble.grey)
    size = random.choice((3, 4, 6))
    white = 235 if trouble.grey < 150 else 16
    width = len(trouble.words) * 6 * size
    x, y = (random.choice(((_SIZE[0] - width) // 2, 24)), random.choice((_SIZE[1] // 2 - 20, 40)))
    card.text(x, y, trouble.words, white, size)
    return card


def _view(shot: Shot) -> str:
    """What of the scene is shown."""
    x = VIEW[0] + shot.night.sag[0] + shot.trouble.shift[0]
    y = VIEW[1] + shot.night.sag[1] + shot.trouble.shift[1]
    x, y = min(WIDTH - VIEW[2], max(0.0, x)), min(HEIGHT - VIEW[3], max(0.0, y))
    steps = []
    if shot.trouble.turn:
        steps.append(f"rotate={shot.trouble.turn}*PI/180:c=gray")
    if shot.trouble.zoom > 1:
        wide, high = round(VIEW[2] / shot.trouble.zoom), round(VIEW[3] / shot.trouble.zoom)
        steps.append(f"crop={wide}:{high}:{round(x + (VIEW[2] - wide) / 2)}:{round(y + (VIEW[3] - high) / 2)}")
        steps.append(f"scale={VIEW[2]}:{VIEW[3]}:flags=bicubic")
    else:
        steps.append(f"crop={VIEW[2]}:{VIEW[3]}:{round(x)}:{round(y)}")
    return ",".join((*steps, "format=gray"))


def _softness(shot: Shot) -> str:
    sigma = shot.night.dirt + shot.trouble.blur + (12 if shot.trouble.cover == 1 else 0)
    sigma *= shot.camera.size[0] / 640
    return f",gblur=sigma={sigma:.2f}" if sigma > 0.2 else ""


def _tone(night: Night, *, drawn: bool) -> str:
    if drawn:
        return "val"
    haze = 0.45 if night.weather is Weather.FOG else 1.0
    lift = 60 if night.weather is Weather.FOG and night.light in {Light.DAY, Light.LIT, Light.IR} else 0
    return f"16+{lift}+(val-8)*{night.gain * haze:.3f}"


def _light(shot: Shot, scene: Scene, random: Random) -> Canvas:
    """How bright each part of the picture is, from the lamps that burn."""
    base, fall = {
        Light.DAY: (245, 0.1),
        Light.LIT: (190, 0.2),
        Light.DUSK: (95, 0.1),
        Light.IR: (200, 0.8),
        Light.LAMPS: (30, 0.1),
        Light.DARK: (9, 0.2),
    }[shot.night.light]
    canvas = Canvas(*_LIGHT)
    spots = [spot for spot, on in zip(scene.lamps, shot.night.lamps_on, strict=False) if on]
    spots = spots if shot.night.light is Light.LAMPS else []
    drift = random.uniform(0.97, 1.03)
    for y in range(_LIGHT[1]):
        for x in range(_LIGHT[0]):
            dx, dy = x / _LIGHT[0] - 0.5, y / _LIGHT[1] - 0.5
            value = base * (1 - fall * min(1.0, 2.2 * (dx * dx + dy * dy)))
            for sx, sy in spots:
                value += 170 / (1 + 40 * ((dx + 0.5 - sx) ** 2 + (dy + 0.5 - sy) ** 2))
            canvas.pixels[y * _LIGHT[0] + x] = max(0, min(255, round(value * drift)))
    return canvas


# --- what moves in it -----------------------------------------------------------------------------
def _moving(night: Night, random: Random) -> Sequence[tuple[str, Canvas, tuple[str, str]]]:
    """Layers with their own transparency: a name, two bytes a pixel, and how each is laid over the picture."""
    layers: list[tuple[str, Canvas, tuple[str, str]]] = []
    if night.passer:
        speed, y = random.choice((-1, 1)) * random.uniform(40, 160), random.uniform(90, 190)
        bright = night.light in {Light.IR, Light.LAMPS} and random.random() < 0.4
        person = _person(220 if bright else random.choice((50, 80, 160)))
        layers.append(
            ("person", person, ("", f"x='{random.uniform(100, 500):.0f}+{speed:.0f}*t':y={y:.0f}:eof_action=repeat"))
        )
    if night.weather in {Weather.RAIN, Weather.SNOW}:
        sheet = _falling(night.weather, random)
        step = 0.35 if night.weather is Weather.RAIN else 0.02
        loop = f",loop=loop=-1:size=1:start=0,setpts=N/(FR*TB),scroll=vertical={-step}:horizontal=0.003"
        layers.append(("falling", sheet, (loop, "x=0:y=0:shortest=1")))
    return layers


def _with_alpha(grey: Canvas, alpha: Canvas) -> Canvas:
    both = grey.copy()
    both.pixels = bytearray(2 * len(grey.pixels))
    both.pixels[::2], both.pixels[1::2] = grey.pixels, alpha.pixels
    return both


def _person(value: int) -> Canvas:
    alpha = Canvas(44, 130, 16)
    alpha.pixels = bytearray(44 * 130)
    mark = alpha.copy()
    for part in ((8, 30, 28, 56), (10, 86, 10, 44), (24, 86, 10, 44)):
        mark.rect(*part, 235)
    mark.disc(22, 15, 13, 235)
    mark.pixels = bytearray(255 if pixel else 0 for pixel in mark.pixels)
    return _with_alpha(Canvas(44, 130, value), mark)


def _falling(weather: Weather, random: Random) -> Canvas:
    mark = Canvas(*_SIZE, 16)
    mark.pixels = bytearray(_SIZE[0] * _SIZE[1])
    for _ in range(random.randint(120, 400)):
        x, y = random.uniform(0, _SIZE[0]), random.uniform(0, _SIZE[1])
        if weather is Weather.RAIN:
            mark.rect(x, y, 1, random.uniform(10, 34), random.randint(60, 120))
        else:
            size = random.choice((1, 2, 2, 3, 6))
            mark.rect(x, y, size, size, random.randint(120, 220))
    return _with_alpha(Canvas(*_SIZE, 225), mark)


def _clock(place: Path, shot: Shot) -> list[str]:
    runs = shot.trouble.fault is not Fault.FROZEN
    second = (shot.random if shot.trouble.fault is Fault.FROZEN_CLOCK else shot.content).randrange(7_200, 20_000)
    frames = bytearray()
    for tick in range(round(shot.warm_s + shot.seconds) + 2):
        strip = Canvas(*_CLOCK, 16)
        now = second + (tick if runs else 0)
        words = f"2026-03-{1 + now % 28:02} {now // 3600:02}:{now // 60 % 60:02}:{now % 60:02}"
        strip.text(4, 2, words, 235)
        frames += strip.pixels
    place.write_bytes(bytes(frames))
    size = f"{_CLOCK[0]}x{_CLOCK[1]}"
    return ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-framerate", "1", "-i", str(place)]


# --- the stream -----------------------------------------------------------------------------------
def _units(stream: bytes, rate: float) -> tuple[Unit, ...]:
    units: list[Unit] = []
    parts: list[bytes] = []
    for part in stream.split(_START):
        nal = part[:-1] if part.endswith(b"\x00") else part
        if not nal:
            continue
        parts.append(nal)
        kind = nal[0] & 31
        if kind in {_SLICE, _IDR}:
            units.append(Unit(tuple(parts), len(units) / rate, kind == _IDR))
            parts = []
    return tuple(units)


def _settled(units: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """The units from the second key frame on: what came before was the encoder's beginning."""
    begin = [place for place, unit in enumerate(units) if unit.key][1]
    first = units[begin].at
    # Parameter sets come once, at the very beginning; a reader gets them with each key frame.
    sets = tuple(nal for nal in units[0].nals if nal[0] & 31 in {7, 8})
    kept = (replace(unit, at=unit.at - first) for unit in units[begin:])
    return tuple(replace(u, nals=(*sets, *_without_sets(u))) if u.key else u for u in kept)


def _without_sets(unit: Unit) -> tuple[bytes, ...]:
    return tuple(nal for nal in unit.nals if nal[0] & 31 not in {6, 7, 8})
