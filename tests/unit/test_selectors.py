"""Label selectors match as the API server has them match, and are written as kubectl takes them."""

from __future__ import annotations

import pytest

from lbctl.selectors import Operator, Requirement, Selector

IN, NOT_IN, EXISTS, DOES_NOT_EXIST = Operator

FRONT = Requirement("tier", IN, ("front", "edge"))
NOT_TEST = Requirement("env", NOT_IN, ("test", "dev"))

CASES: dict[str, tuple[Selector, dict[str, str], bool]] = {
    "nothing asked of nothing": (Selector(), {}, True),
    "nothing asked of labels": (Selector(), {"app": "web"}, True),
    "a label that is there": (Selector.of({"app": "web"}), {"app": "web", "tier": "front"}, True),
    "a label with another value": (Selector.of({"app": "web"}), {"app": "api"}, False),
    "a label that is missing": (Selector.of({"app": "web"}), {}, False),
    "a label in another case": (Selector.of({"app": "web"}), {"app": "Web"}, False),
    "a key in another case": (Selector.of({"app": "web"}), {"App": "web"}, False),
    "an empty value that is there": (Selector.of({"app": ""}), {"app": ""}, True),
    "an empty value is not a missing label": (Selector.of({"app": ""}), {}, False),
    "one of two labels": (Selector.of({"app": "web", "tier": "front"}), {"app": "web"}, False),
    "In, with the last value": (Selector.of({}, [FRONT]), {"tier": "edge"}, True),
    "In, with another value": (Selector.of({}, [FRONT]), {"tier": "back"}, False),
    "In, with part of a value": (Selector.of({}, [FRONT]), {"tier": "fron"}, False),
    "In, without the label": (Selector.of({}, [FRONT]), {}, False),
    "In the empty value, with it": (Selector.of({}, [Requirement("tier", IN, ("",))]), {"tier": ""}, True),
    "In the empty value, without the label": (Selector.of({}, [Requirement("tier", IN, ("",))]), {}, False),
    "NotIn, with a value": (Selector.of({}, [NOT_TEST]), {"env": "dev"}, False),
    "NotIn, with another value": (Selector.of({}, [NOT_TEST]), {"env": "prod"}, True),
    "NotIn, without the label": (Selector.of({}, [NOT_TEST]), {"app": "web"}, True),
    "NotIn the empty value, without the label": (Selector.of({}, [Requirement("env", NOT_IN, ("",))]), {}, True),
    "Exists, with a value": (Selector.of({}, [Requirement("app", EXISTS)]), {"app": "web"}, True),
    "Exists, with the empty value": (Selector.of({}, [Requirement("app", EXISTS)]), {"app": ""}, True),
    "Exists, without the label": (Selector.of({}, [Requirement("app", EXISTS)]), {"apple": "web"}, False),
    "DoesNotExist, with the empty value": (Selector.of({}, [Requirement("app", DOES_NOT_EXIST)]), {"app": ""}, False),
    "DoesNotExist, without the label": (Selector.of({}, [Requirement("app", DOES_NOT_EXIST)]), {"b": "a"}, True),
    "labels and expressions that hold": (
        Selector.of({"app": "web"}, [FRONT, NOT_TEST]),
        {"app": "web", "tier": "front"},
        True,
    ),
    "expressions that hold, a label that does not": (
        Selector.of({"app": "web"}, [FRONT, NOT_TEST]),
        {"app": "api", "tier": "front"},
        False,
    ),
    "one of two expressions": (
        Selector.of({"app": "web"}, [FRONT, NOT_TEST]),
        {"app": "web", "tier": "front", "env": "dev"},
        False,
    ),
    "two expressions on one key": (
        Selector.of({}, [FRONT, Requirement("tier", NOT_IN, ("edge",))]),
        {"tier": "edge"},
        False,
    ),
    "expressions that exclude each other": (
        Selector.of({}, [Requirement("app", EXISTS), Requirement("app", DOES_NOT_EXIST)]),
        {"app": "web"},
        False,
    ),
    "a label and an expression on one key": (
        Selector.of({"tier": "front"}, [FRONT]),
        {"tier": "front"},
        True,
    ),
    "a key with a prefix": (
        Selector.of({"kubernetes.io/metadata.name": "prod"}),
        {"kubernetes.io/metadata.name": "prod"},
        True,
    ),
    "a prefix is part of the key": (Selector.of({"example.com/app": "web"}), {"app": "web"}, False),
}


@pytest.mark.parametrize(("selector", "labels", "matches"), CASES.values(), ids=CASES)
def test_a_selector_matches_as_in_kubernetes(selector: Selector, labels: dict[str, str], matches: bool) -> None:
    """All labels and all expressions must hold; NotIn and DoesNotExist hold without the label."""
    assert selector.matches(labels) is matches


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        (Selector(), ""),
        (Selector.of({"app": "web"}), "app=web"),
        (Selector.of({"app": ""}), "app="),
        (Selector.of({}, [FRONT]), "tier in (front,edge)"),
        (Selector.of({}, [Requirement("tier", IN, ("front",))]), "tier in (front)"),
        (Selector.of({}, [NOT_TEST]), "env notin (test,dev)"),
        (Selector.of({}, [Requirement("example.com/team", EXISTS)]), "example.com/team"),
        (Selector.of({}, [Requirement("team", DOES_NOT_EXIST)]), "!team"),
        (Selector.of({"b": "1", "a": "2"}, [NOT_TEST, FRONT]), "b=1,a=2,env notin (test,dev),tier in (front,edge)"),
    ],
)
def test_a_selector_is_written_as_kubectl_takes_it(selector: Selector, written: str) -> None:
    """In the order of the file, so that a user finds it there."""
    assert str(selector) == written


@pytest.mark.parametrize(
    ("operator", "values", "words"),
    [
        (IN, (), "In takes values"),
        (NOT_IN, (), "NotIn takes values"),
        (EXISTS, ("a",), "Exists takes no values"),
        (DOES_NOT_EXIST, ("",), "DoesNotExist takes no values"),
    ],
)
def test_what_kubernetes_refuses_cannot_be_made(operator: Operator, values: tuple[str, ...], words: str) -> None:
    """In of nothing would match nothing, and Exists with values would not look at them."""
    with pytest.raises(ValueError, match=f"^{words}$"):
        Requirement("app", operator, values)


def test_selectors_are_values() -> None:
    """Equal ones are one in a set, so a decision that carries one compares."""
    assert len({Selector.of({"a": "b"}, [FRONT]), Selector.of({"a": "b"}, [FRONT]), Selector.of({"a": "b"})}) == 2
