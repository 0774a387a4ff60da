"""`python -m scripts.make_sales`: makes the sales of a made-up shop, streamlab/data/sales.sqlite, always the same.

They are to look interesting in a chart: tea sells in winter, outdoor things in summer, stationery when school begins,
sweets before Valentine's Day and the end of the year, and coffee grows all year long.
"""

import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import TypeVar

T = TypeVar("T")

TARGET = Path(str(files("streamlab") / "data" / "sales.sqlite"))
YEAR = 2025
ORDERS_A_DAY = 4.4

# The comments are part of what the agent is told of the tables.
SCHEMA = """
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,          -- in English
    name_ja TEXT NOT NULL,       -- in Japanese
    category TEXT NOT NULL,
    unit_price INTEGER NOT NULL  -- yen
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    ordered_on TEXT NOT NULL,    -- date, YYYY-MM-DD
    region TEXT NOT NULL,        -- where it was sent
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL,
    amount INTEGER NOT NULL      -- yen: quantity * unit_price
);
"""

PRODUCTS = [
    ("Sencha, 100 g", "煎茶 100g", "Tea", 1_200),
    ("Hojicha, 100 g", "ほうじ茶 100g", "Tea", 900),
    ("Matcha, 30 g", "抹茶 30g", "Tea", 1_800),
    ("Black tea, 20 bags", "紅茶 ティーバッグ20個", "Tea", 780),
    ("House blend, 200 g", "ハウスブレンド 200g", "Coffee", 1_400),
    ("Dark roast, 200 g", "深煎り 200g", "Coffee", 1_500),
    ("Drip bags, 10 pieces", "ドリップバッグ 10個", "Coffee", 1_100),
    ("Cold brew kit", "水出しコーヒーセット", "Coffee", 2_400),
    ("Castella", "カステラ", "Sweets", 1_600),
    ("Yokan", "ようかん", "Sweets", 850),
    ("Chocolate box", "チョコレート詰め合わせ", "Sweets", 2_200),
    ("Rice crackers", "せんべい", "Sweets", 600),
    ("Notebook A5", "ノート A5", "Stationery", 480),
    ("Gel pens, 5 colours", "ゲルインキボールペン 5色", "Stationery", 750),
    ("Fountain pen", "万年筆", "Stationery", 5_800),
    ("Planner", "手帳", "Stationery", 1_900),
    ("Insulated bottle", "保温ボトル", "Outdoor", 3_200),
    ("Picnic sheet", "レジャーシート", "Outdoor", 1_700),
    ("Folding chair", "折りたたみチェア", "Outdoor", 4_500),
    ("Camping mug", "キャンプ用マグカップ", "Outdoor", 1_300),
]
REGIONS = {"Hokkaido": 8, "Tohoku": 9, "Kanto": 38, "Chubu": 14, "Kansai": 20, "Kyushu": 11}


def main() -> None:
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.unlink(missing_ok=True)
    write(TARGET)


def write(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        connection.executemany(
            "INSERT INTO products VALUES (?, ?, ?, ?, ?)", [(number, *row) for number, row in enumerate(PRODUCTS, 1)]
        )
        connection.executemany("INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?)", orders(Random(YEAR)))
        connection.commit()
        connection.execute("VACUUM")


def orders(random: Random) -> Iterator[tuple[str, str, int, int, int]]:
    day = date(YEAR, 1, 1)
    while day.year == YEAR:
        weights = {category: demand(category, day) for category in dict.fromkeys(row[2] for row in PRODUCTS)}
        weekend = 1.5 if day.weekday() >= 5 else 0.8
        # A whole number whose mean is the expected one, within a third of it.
        expected = ORDERS_A_DAY * weekend * sum(weights.values()) / len(weights) * (0.67 + 0.66 * random.random())
        for _ in range(int(expected + random.random())):
            yield order(random, day, pick(random, weights))
        day += timedelta(days=1)


def order(random: Random, day: date, category: str) -> tuple[str, str, int, int, int]:
    """Make an order; expensive things sell less often, and mostly alone."""
    prices = {number: price for number, (_, _, kind, price) in enumerate(PRODUCTS, 1) if kind == category}
    product = pick(random, {number: price**-0.5 for number, price in prices.items()})
    quantity = pick(random, {1: 85, 2: 15} if prices[product] > 3_000 else {1: 60, 2: 25, 3: 10, 5: 5})
    return day.isoformat(), pick(random, REGIONS), product, quantity, quantity * prices[product]


def demand(category: str, day: date) -> float:
    """Return the demand for a category on a day; 1 is usual."""
    through = (day - date(YEAR, 1, 1)).days / 365
    match category:
        case "Tea":
            return 1 + 0.4 * wave(day, 15)
        case "Coffee":
            return 0.5 + 1.5 * through
        case "Sweets":
            return 0.7 + 3 * peak(day, date(YEAR, 2, 8), 8) + 2 * peak(day, date(YEAR, 12, 20), 12)
        case "Stationery":
            return 0.6 + 1.8 * peak(day, date(YEAR, 4, 1), 18)
        case _:
            return 0.8 - 0.6 * wave(day, 30)


def wave(day: date, coldest: int) -> float:
    """Return 1 on the coldest day of the year, -1 on the hottest."""
    return math.cos(2 * math.pi * (day.timetuple().tm_yday - coldest) / 365)


def peak(day: date, centre: date, width: float) -> float:
    return math.exp(-(((day - centre).days / width) ** 2))


def pick(random: Random, weights: Mapping[T, float]) -> T:
    return random.choices(list(weights), list(weights.values()))[0]


if __name__ == "__main__":
    main()
