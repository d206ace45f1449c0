"""The places that cameras look at, drawn from a seed: each larger than what one shows, so that it can be turned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.pictures.canvas import Canvas, chance

WIDTH, HEIGHT = 960, 540
# What a camera shows of it: two thirds, from the middle.
VIEW = (160, 90, 640, 360)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something may stand for some days: its spot, its size and its grey."""

    x: float
    y: float
    width: float
    height: float
    value: int


@dataclass(frozen=True)
class Scene:
    """A place without people."""

    kind: str  #: Which of `KINDS`.
    outdoors: bool  #: Whether it rains into it.
    canvas: Canvas  #: How it looks in even light.
    places: tuple[Place, ...]  #: Where things may stand for some days.
    lamps: tuple[tuple[float, float], ...]  #: Where its lamps hang, as shares of the canvas.


def scene_of(seed: int) -> Scene:
    """The scene of a seed: all kinds take turns."""
    kind = list(KINDS)[seed % len(KINDS)]
    outdoors, draw = KINDS[kind]
    random = chance("scene", seed)
    canvas = Canvas(WIDTH, HEIGHT, random.randint(90, 150))
    draw(canvas, random)
    canvas.speckle(random, 0.02, 10)
    places = tuple(_place(random) for _ in range(4))
    lamps = tuple((random.uniform(0.2, 0.8), random.uniform(0.15, 0.6)) for _ in range(random.randint(1, 3)))
    return Scene(kind, outdoors, canvas, places, lamps)


def _place(random: Random) -> Place:
    width, height = random.uniform(40, 190), random.uniform(50, 170)
    x = random.uniform(VIEW[0], VIEW[0] + VIEW[2] - width)
    y = random.uniform(VIEW[1] + 120, VIEW[1] + VIEW[3] - height / 2)
    return Place(x, y, width, height, random.choice((45, 70, 180, 210)))


def things(scene: Scene, standing: tuple[bool, ...]) -> Canvas:
    """The scene with what stands in it tonight."""
    canvas = scene.canvas.copy()
    for place, there in zip(scene.places, standing, strict=True):
        if there:
            canvas.rect(place.x, place.y, place.width, place.height, place.value)
            canvas.frame(place.x, place.y, place.width, place.height, place.value - 35)
            canvas.rect(place.x + place.width * 0.2, place.y + 10, place.width * 0.5, place.height * 0.3, 110)
    return canvas


def _corridor(canvas: Canvas, random: Random) -> None:
    vx, vy = random.uniform(400, 560), random.uniform(190, 290)
    depth = random.uniform(0.12, 0.25)
    floor, wall, ceiling = random.randint(70, 120), random.randint(130, 185), random.randint(170, 215)

    def at(x: float, y: float, far: float) -> tuple[float, float]:
        return vx + (x - vx) * (1 - far * (1 - depth)), vy + (y - vy) * (1 - far * (1 - depth))

    corners = (0.0, 0.0), (960.0, 0.0), (960.0, 540.0), (0.0, 540.0)
    for number, value in enumerate((ceiling, wall - 12, floor, wall)):
        a, b = corners[number], corners[(number + 1) % 4]
        canvas.polygon((a, b, at(*b, 1), at(*a, 1)), value)
    canvas.polygon([at(*c, 1) for c in corners], wall + 15)
    for side in (0.0, 960.0):
        for _ in range(random.randint(2, 4)):
            near = random.uniform(0.1, 0.75)
            far, top = near + random.uniform(0.06, 0.14), random.uniform(120, 190)
            door = (at(side, top, near), at(side, top, far), at(side, 540, far), at(side, 540, near))
            canvas.polygon(door, random.randint(50, 110))
            canvas.line(door[0], door[3], 40, 3)
    for number in range(random.randint(3, 6)):
        near = number / 6
        canvas.polygon((at(400, 0, near), at(560, 0, near), at(560, 0, near + 0.07), at(400, 0, near + 0.07)), 230)
        canvas.line(at(0, 540, near), at(960, 540, near), floor - 20, 2)
    x = random.uniform(0.2, 0.7)
    canvas.rect(vx - 40 + 60 * x, vy - 20, 30, 50, 60)


def _room(canvas: Canvas, random: Random) -> None:
    edge = random.uniform(230, 330)
    canvas.rect(0, 0, 960, edge, random.randint(150, 200))
    canvas.rect(0, edge, 960, 540 - edge, random.randint(80, 125))
    canvas.line((0, edge), (960, edge + random.uniform(-30, 30)), 60, 4)
    for _ in range(random.randint(1, 3)):
        x, y, width = random.uniform(120, 760), random.uniform(70, 140), random.uniform(70, 150)
        canvas.rect(x, y, width, width * 0.9, 225)
        canvas.frame(x, y, width, width * 0.9, 90, thick=4)
        canvas.rect(x + width / 2, y, 4, width * 0.9, 90)
    for _ in range(random.randint(3, 5)):
        x, y = random.uniform(100, 800), random.uniform(edge - 40, 430)
        width, height, value = random.uniform(90, 240), random.uniform(30, 80), random.randint(120, 225)
        canvas.polygon(((x, y), (x + width, y), (x + width + 40, y + height), (x + 20, y + height)), value)
        canvas.rect(x + 20, y + height, width + 20, 12, value - 60)
        canvas.rect(x + 5, y - 18, 50, 24, min(235, value + 30))
        for leg in (x + 24, x + width + 30):
            canvas.rect(leg, y + height + 12, 6, 26, 40)
    canvas.rect(random.uniform(60, 840), edge - 130, 60, 180, random.randint(50, 90))


def _yard(canvas: Canvas, random: Random) -> None:
    edge = random.uniform(180, 260)
    canvas.rect(0, 0, 960, edge, random.randint(185, 225))
    canvas.rect(0, edge, 960, 540 - edge, random.randint(90, 130))
    for _ in range(random.randint(2, 4)):
        x, width, top = random.uniform(0, 800), random.uniform(90, 300), random.uniform(70, edge - 40)
        value = random.randint(110, 180)
        canvas.rect(x, top, width, edge - top + 20, value)
        canvas.polygon(((x - 10, top), (x + width / 2, top - 40), (x + width + 10, top)), value - 50)
        for column in range(int(width // 46)):
            canvas.rect(x + 12 + column * 46, top + 22, 22, 30, 60)
    for _ in range(random.randint(2, 5)):
        x, y, radius = random.uniform(80, 880), random.uniform(130, edge + 20), random.uniform(24, 60)
        canvas.rect(x - 5, y, 10, edge + 60 - y, 70)
        for _leaf in range(7):
            canvas.disc(x + random.uniform(-30, 30), y + random.uniform(-30, 20), radius / 2, random.randint(45, 95))
    for _ in range(random.randint(3, 6)):
        begin = (random.uniform(0, 960), random.uniform(edge + 40, 540))
        end = (random.uniform(0, 960), random.uniform(edge + 20, 540))
        canvas.line(begin, end, random.choice((170, 65)), random.uniform(3, 12))


def _facade(canvas: Canvas, random: Random) -> None:
    base = random.randint(120, 180)
    canvas.rect(0, 0, 960, 540, base)
    across, down = random.uniform(70, 130), random.uniform(80, 130)
    skew = random.uniform(-0.12, 0.12)
    row, y = 0, random.uniform(-20, 30)
    while y < 540:
        column, x = 0, random.uniform(-30, 0)
        while x < 960:
            value = random.choice((55, 70, 85, 200))
            top = y + x * skew
            canvas.rect(x, top, across * 0.55, down * 0.6, value)
            canvas.frame(x, top, across * 0.55, down * 0.6, base + 40, thick=4)
            if random.random() < 0.25:
                canvas.rect(x - 8, top + down * 0.6, across * 0.7, 14, base - 60)
            x, column = x + across, column + 1
        y, row = y + down, row + 1
    canvas.rect(random.uniform(200, 650), 330, random.uniform(60, 140), 210, 60)
    canvas.rect(random.uniform(100, 700), random.uniform(120, 300), 120, 26, 225)


def _stairs(canvas: Canvas, random: Random) -> None:
    canvas.rect(0, 0, 960, 540, random.randint(140, 180))
    begin, y, value = random.uniform(240, 380), random.uniform(120, 180), random.randint(85, 125)
    step, width = 14.0, 280.0
    while y < 540:
        canvas.rect(begin, y, width, step * 0.45, value + 70)
        canvas.rect(begin, y + step * 0.45, width, step * 0.55, value - 20)
        y, step, begin, width = y + step, step * 1.05, begin - 6, width + 14
    x = begin + width
    canvas.line((x - 200, 90), (x + 60, 540), 45, 8)
    for number in range(6):
        canvas.rect(x - 190 + number * 40, 110 + number * 70, 6, 90, 60)
    canvas.rect(random.uniform(60, 200), 60, 110, 190, random.randint(60, 100))
    canvas.rect(random.uniform(660, 800), random.uniform(60, 130), 90, 70, 220)


def _parking(canvas: Canvas, random: Random) -> None:
    edge = random.uniform(110, 200)
    canvas.rect(0, 0, 960, edge, random.randint(150, 200))
    canvas.rect(0, edge, 960, 540 - edge, random.randint(75, 110))
    gap, skew = random.uniform(90, 140), random.uniform(-70, 70)
    for number in range(-1, 12):
        x = number * gap + random.uniform(-4, 4)
        canvas.line((x, edge + 30), (x * 1.25 - 100 + skew, edge + 170), 210, 5)
    for _ in range(random.randint(3, 7)):
        x, y = gap * random.randint(0, 7) + 20, edge + random.uniform(40, 250)
        value = random.choice((40, 60, 150, 215, 225))
        canvas.rect(x, y, gap * 0.85, 46, value)
        canvas.polygon(((x + 14, y), (x + 26, y - 24), (x + gap * 0.6, y - 24), (x + gap * 0.75, y)), value - 15)
        canvas.disc(x + 16, y + 46, 11, 28)
        canvas.disc(x + gap * 0.7, y + 46, 11, 28)
    for _ in range(random.randint(1, 3)):
        canvas.rect(random.uniform(100, 860), edge - 90, 8, 150, 55)
    canvas.rect(random.uniform(100, 500), edge - 70, 200, 60, random.randint(90, 130))


def _fence(canvas: Canvas, random: Random) -> None:
    edge = random.uniform(220, 320)
    canvas.rect(0, 0, 960, edge, random.randint(170, 215))
    canvas.rect(0, edge, 960, 540 - edge, random.randint(80, 120))
    gap, x = random.uniform(24, 44), 0.0
    while x < 960:
        canvas.rect(x, edge - 130, 6, 170, 60)
        x += gap
    for bar in (edge - 110, edge + 10):
        canvas.rect(0, bar, 960, 7, 70)
    canvas.rect(random.uniform(200, 650), edge - 150, 130, 210, random.randint(90, 140))
    canvas.polygon(((300, 540), (420, edge + 40), (520, edge + 40), (760, 540)), random.randint(130, 170))
    for _ in range(random.randint(2, 4)):
        canvas.disc(random.uniform(60, 900), random.uniform(edge + 30, 500), random.uniform(16, 50), 60)


def _store(canvas: Canvas, random: Random) -> None:
    canvas.rect(0, 0, 960, 540, random.randint(110, 150))
    for shelf in range(3):
        x = 120 + shelf * 250 + random.uniform(-20, 20)
        width, top = random.uniform(170, 220), random.uniform(50, 110)
        canvas.rect(x, top, width, 380, 75)
        for board in range(5):
            y = top + board * 76
            canvas.rect(x, y + 66, width, 8, 190)
            place = x + 4
            while place < x + width - 24:
                box = random.uniform(14, 40)
                height = random.uniform(24, 60)
                canvas.rect(place, y + 66 - height, box, height, random.randint(60, 225))
                place += box + random.uniform(2, 10)
    canvas.polygon(((0, 540), (0, 470), (960, 450), (960, 540)), random.randint(80, 110))


#: The kinds of scenes: whether outdoors, and how one is drawn.
KINDS: Mapping[str, tuple[bool, Callable[[Canvas, Random], None]]] = {
    "corridor": (False, _corridor),
    "room": (False, _room),
    "yard": (True, _yard),
    "facade": (True, _facade),
    "stairs": (False, _stairs),
    "parking": (True, _parking),
    "fence": (True, _fence),
    "store": (False, _store),
}
