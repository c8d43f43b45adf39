"""The words that the demo ERP's rows are made of, chosen to be awkward where real ones are."""

import re
from datetime import UTC, date, datetime, timedelta
from random import Random

ADJECTIVES = (
    "Stainless", "Rostfreie", "Żółty", "Oxidované", "Große", "Économique", "防水", "ステンレス", "Прочный", "مقاوم",
    "3/4\"", "5½\"", "M8×40", "100% recycled", "<heavy> & \"duty\"", "C:\\tools\\spare", "L'Étoile", "Ω-shaped",
)  # fmt: skip
NOUNS = (
    "bolt", "Mutter", "śruba", "těsnění", "Kugellager", "écrou", "ポンプ", "阀门", "клапан", "صمام",
    "hex key", "gasket", "bearing 🛠️", "O-ring", "pump, dry", "tube\tcut", "cable; 3-core", "plate|grid",
)  # fmt: skip
FIRST_NAMES = (
    "Anna", "Jürgen", "Zoë", "Łukasz", "Åsa", "Søren", "Nguyễn", "Мария", "Γιώργος", "محمد", "愛子", "志明",
    "Siobhán", "D'Arcy",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "O'Neill", "Nowak", "Dvořák", "García-López", "Østergård", "Иванова", "Παπαδόπουλος", "حسن", "山田", "陳",
    "van der Berg", "Çelik", "Smith \"Bud\" Jr.",
)  # fmt: skip
CITIES = (
    "Zürich",
    "Łódź",
    "Göteborg",
    "São Paulo",
    "東京",
    "Αθήνα",
    "Ústí nad Labem",
    "Kraków",
    "Reykjavík",
    "القاهرة",
)
COMPANY_FORMS = ("GmbH & Co. KG", "S.A.", "Sp. z o.o.", "a.s.", "株式会社", "Ltd.", "AB", "ООО")
CURRENCIES = ("EUR", "USD", "PLN", "CZK", "SEK", "JPY", "GBP", "CHF", "TRY", "BHD")
STATES = ("Planned", "Released", "Reserved", "Picked", "Delivered", "Invoiced", "Cancelled")
UNITS = ("pcs", "kg", "m", "l", "m²")
SITE_NAMES = (
    "BER01",
    "WAW02",
    "PRG03",
    "GOT04",
    "TYO05",
    "SAO06",
    "CAI07",
    "RKV08",
    "ATH09",
    "ZRH10",
    "IST11",
    "LON12",
)
REMARKS = (
    "Call before delivery.\nRing twice.",
    "\"Fragile\" \\ this side up ↑",
    "col1\tcol2\r\ncol3",
    "e\u0301 is not é, and \u200b is not nothing",
    "back\bspace, form\ffeed, bell\u0007",
    "NULL",
    "",
    "\\N",
    "a,b;c|d\"e'f",
    "𝒮𝓎𝓃𝒸 😀 👩‍🔧",
)  # fmt: skip

_EPOCH = datetime(2019, 1, 1, tzinfo=UTC)
_DAYS = 2500


def pick(rng: Random, words: tuple[str, ...]) -> str:
    """One of the words."""
    return words[int(rng.random() * len(words))]


def maybe(rng: Random, share: float) -> bool:
    """True in that share of the cases."""
    return rng.random() < share


def uuid_text(rng: Random) -> str:
    """A random UUID of version 4."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def part_no(index: int) -> str:
    """The number of the part that was entered as number `index`."""
    return f"{'ABCDEFGH'[index * 5 % 8]}{'KLMNPQRS'[index * 3 % 8]}-{index:06}"


def moment(rng: Random) -> datetime:
    """A moment of the years 2019 to 2025, to the microsecond."""
    return _EPOCH + timedelta(int(rng.random() * _DAYS), int(rng.random() * 86400), int(rng.random() * 1_000_000))


def local_time(rng: Random) -> str:
    """`2021-03-04T05:06:07`, without a time zone."""
    return moment(rng).isoformat()[:19]


def day(rng: Random) -> str:
    """`2021-03-04`."""
    return (date(2019, 1, 1) + timedelta(int(rng.random() * _DAYS))).isoformat()


def clock_time(rng: Random) -> str:
    """`08:30:00`."""
    minutes = int(rng.random() * 1440)
    return f"{minutes // 60:02}:{minutes % 60:02}:00"


def digits(rng: Random, count: int) -> str:
    """A whole number of exactly so many digits."""
    return str(10 ** (count - 1) + rng.getrandbits(4 * count) % (9 * 10 ** (count - 1)))


def ascii_slug(text: str) -> str:
    """The ASCII letters of a text, for an e-mail address."""
    return re.sub(r"[^a-z]", "", text.lower()) or "x"
