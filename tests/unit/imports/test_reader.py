"""What kubectl takes is read, scalars as text; what is no YAML ends in a sentence with its line."""

from __future__ import annotations

import json

import pytest

from lbctl.imports.reader import MAX_DEPTH, read
from lbctl.imports.values import Found, ImportFailed


def _read(text: str) -> list[Found]:
    return read(text.encode(), "in.yaml")


def test_documents_and_lists_are_flattened_with_their_lines() -> None:
    """Several documents, empty ones, `kind: List`, and a typed list whose items have no kind of their own."""
    found = _read(
        """\
---
# nothing here
---
kind: A
metadata: {name: one}
---
apiVersion: v1
kind: List
items:
- kind: A
  metadata: {name: two}
- apiVersion: x.io/v1
  kind: BList
  items:
  - metadata: {name: three}
"""
    )
    assert [(f.place, f.group, f.kind, f.name) for f in found] == [
        ("in.yaml:4", "", "A", "one"),
        ("in.yaml:10", "", "A", "two"),
        ("in.yaml:15", "x.io", "B", "three"),
    ]


def test_json_is_read_too() -> None:
    """As `kubectl get -o json` prints it; its booleans and numbers become the text they are written as."""
    body = {"kind": "List", "items": [{"kind": "A", "spec": {"a": True, "b": 7, "c": None, "d": ["\U0001f600"]}}]}
    (found,) = _read(json.dumps(body))
    assert (found.place, found.spec) == ("in.yaml", {"a": "true", "b": "7", "c": None, "d": ["\U0001f600"]})


def test_json_nested_deeper_than_python_likes() -> None:
    """What lies deeper than anything that is read is left out; the rest of the object stands."""
    (found,) = _read('{"kind": "A", "spec": ' + '{"a": ' * 500 + "7" + "}" * 501)
    assert found.kind == "A"


def test_scalars_stay_text() -> None:
    """Typed loading would make an integer of the address and a bool of the word."""
    (found,) = _read("spec: {a: 1:2:3:4:5:6:7:8, b: no, c: ~, d: '~', e: 010, f: }")
    assert found.spec == {"a": "1:2:3:4:5:6:7:8", "b": "no", "c": None, "d": "~", "e": "010", "f": None}


def test_anchors_and_merge_keys() -> None:
    """Hand-written manifests have them; what is written out wins over what is merged in."""
    (found,) = _read("spec:\n  base: &b {x: '1', y: '2'}\n  more: {<<: *b, y: '3'}\n  both: {<<: [*b, {z: '4'}]}\n")
    assert found.spec["more"] == {"x": "1", "y": "3"}
    assert found.spec["both"] == {"x": "1", "y": "2", "z": "4"}


def test_aliases_of_aliases_are_not_written_out() -> None:
    """Nine lines that would be a billion items."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(ImportFailed, match=r"in\.yaml:5: written out, the aliases are more than 100,000 values"):
        _read("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "in.yaml:2:1: YAML cannot be read here: did not find expected ',' or ']'"),
        ("a: 1\na: 2", "in.yaml:2: the key 'a' stands twice in one mapping"),
        ("a: *nowhere", "in.yaml:1: the alias *nowhere names nothing"),
        ("a: &a [*a]", "in.yaml:1: the alias *a names nothing"),
        ("? [a]\n: b", "in.yaml:1: a key is text, and this is not"),
        ("a: {<<: text}", "in.yaml:1: the merge key << brings in what is no mapping"),
        ("kind: A\n---\n- b", "in.yaml:3: this document is no object of the API"),
        ("just words", "in.yaml:1: this document is no object of the API"),
        ("{" * 1000, f"in.yaml:1: lists and mappings are nested more than {MAX_DEPTH} deep"),
        ("[" * 100_000, f"in.yaml:1: lists and mappings are nested more than {MAX_DEPTH} deep"),
        ('{"a": ' * 100_000, f"in.yaml:1: lists and mappings are nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_is_no_input_says_where(text: str, message: str) -> None:
    """One sentence; the exit code is 1."""
    with pytest.raises(ImportFailed) as failed:
        _read(text)
    assert failed.value.message.startswith(message.partition(" did not")[0])
    assert (failed.value.exit_code, bool(failed.value.hint)) == (1, True)


def test_bytes_that_are_no_text() -> None:
    """Neither UTF-16 nor a control character ends in a traceback."""
    with pytest.raises(ImportFailed, match=r"in\.yaml is no text in UTF-8"):
        read("kind: A".encode("utf-16"), "in.yaml")
    with pytest.raises(ImportFailed, match=r"in\.yaml: this is no YAML"):
        read(b"kind: \x01", "in.yaml")


@pytest.mark.parametrize("text", ["", "---\n", "# comment\n", "{}", "null"])
def test_an_empty_input_has_no_objects_worth_a_name(text: str) -> None:
    """An empty file, or an empty object."""
    assert [found.kind for found in _read(text)] in ([], [""])


def test_a_list_in_lists_without_end_is_not_followed() -> None:
    """It stays one object, which no system takes."""
    text = '{"kind": "List", "items": [' * 20 + "{}" + "]}" * 20
    assert [found.kind for found in _read(text)] == ["List"]
