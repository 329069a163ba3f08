"""A selector agrees with sets: it matches where each of its parts does, by the values found under that key."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from lbctl.selectors import Operator, Requirement, Selector

KEYS, VALUES = ("a", "b", "c"), ("", "x", "y")
labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
some_values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(tuple)
requirements = st.one_of(
    st.builds(Requirement, st.sampled_from(KEYS), st.sampled_from([Operator.IN, Operator.NOT_IN]), some_values),
    st.builds(Requirement, st.sampled_from(KEYS), st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
)
selectors = st.builds(Selector.of, labels, st.lists(requirements, max_size=4))

# Everything that could be labelled, as the pairs it bears: the model is filters over it, and knows of no default.
MODEL: dict[Operator, Callable[[set[str], tuple[str, ...]], bool]] = {
    Operator.IN: lambda found, values: bool(found & set(values)),
    Operator.NOT_IN: lambda found, values: not found & set(values),
    Operator.EXISTS: lambda found, _: bool(found),
    Operator.DOES_NOT_EXIST: lambda found, _: not found,
}


def model(selector: Selector, pairs: set[tuple[str, str]]) -> bool:
    """Whether a thing with these labels is selected, by the values found under each key."""
    if not set(selector.match_labels) <= pairs:
        return False
    return all(
        MODEL[one.operator]({value for key, value in pairs if key == one.key}, one.values)
        for one in selector.match_expressions
    )


@settings(derandomize=True, max_examples=2_000, deadline=None)
@given(selectors, labels)
def test_a_selector_agrees_with_sets(selector: Selector, given: dict[str, str]) -> None:
    """Whatever is asked of whichever labels."""
    assert selector.matches(given) is model(selector, set(given.items()))
