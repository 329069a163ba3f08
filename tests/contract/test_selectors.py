"""What a pool file's selector matches, and what it is written as: held to the lists of an API server."""

from __future__ import annotations

import random

from lbctl.selectors import Operator, Requirement, Selector
from tests.contract.wire import Wire, config_map

SEED, SELECTORS = 5, 60
KEYS, VALUES = ("app", "tier", "example.com/team"), ("", "web", "x.y_z")


def some_selector(choose: random.Random) -> Selector:
    """One of any operators over few keys and values."""
    labels = {key: choose.choice(VALUES) for key in KEYS if choose.random() < 0.2}
    expressions = []
    for _ in range(choose.randint(0, 2)):
        operator = choose.choice(list(Operator))
        values = tuple(choose.sample(VALUES, choose.randint(1, 3))) if operator.takes_values else ()
        expressions.append(Requirement(choose.choice(KEYS), operator, values))
    return Selector.of(labels, expressions)


def test_a_selector_selects_what_the_api_server_lists_for_it(api: Wire) -> None:
    """Its text, as labelSelector of a list, brings just those whose labels it matches."""
    choose, made = random.Random(SEED), {}
    for number in range(12):
        labels = {key: choose.choice(VALUES) for key in KEYS if choose.random() < 0.6}
        made[f"m{number:02}"] = labels
        api.made("configmaps", config_map(f"m{number:02}", {"labels": labels}))
    found = 0
    for selector in (Selector(), *(some_selector(choose) for _ in range(SELECTORS))):
        items = api.get("configmaps", labelSelector=str(selector)).body["items"]
        listed = {item["metadata"]["name"] for item in items} & set(made)
        assert listed == {name for name, labels in made.items() if selector.matches(labels)}, f"{SEED=} {selector}"
        found += 0 < len(listed) < len(made)
    assert found > SELECTORS / 3  # else the cases say little
