"""What holds for every object: names, labels, annotations, finalizers, and what of metadata may not change. Pure."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator

from lbctl.sandbox.refusals import Cause, Object, forbidden, invalid, required

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = f"({PART})?"
CONFIG_KEY = "[-._a-zA-Z0-9]+"

NameRule = Callable[[str], str]

# What the API server appends to generateName: no vowels, so that no word comes out by chance.
SUFFIX_LETTERS, SUFFIX_LENGTH = "bcdfghjklmnpqrstvwxz2456789", 5


def _regex(what: str, pattern: str, *examples: str) -> str:
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{what} (e.g. {shown}, regex used for validation is '{pattern}')"


def dns_label(name: str) -> str:
    """What is wrong with it as a DNS label (RFC 1123), or nothing."""
    if len(name) > 63:
        return "must be no more than 63 bytes"
    if re.fullmatch(LABEL, name):
        return ""
    what = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
        "end with an alphanumeric character"
    )
    return _regex(what, LABEL, "my-name", "123-abc")


def dns_subdomain(name: str) -> str:
    """What is wrong with it as a DNS subdomain (RFC 1123), or nothing."""
    if len(name) > 253:
        return "must be no more than 253 bytes"
    if re.fullmatch(SUBDOMAIN, name):
        return ""
    what = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character"
    )
    return _regex(what, SUBDOMAIN, "example.com")


def namespace_name(name: str) -> str:
    """As a DNS label; a dot is said to be what it is."""
    return "must not contain dots" if "." in name else dns_label(name)


def any_path_segment(name: str) -> str:
    """What can stand between two slashes of a URL."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    return next((f"may not contain '{sign}'" for sign in "/%" if sign in name), "")


def qualified_name(name: str) -> str:
    """What is wrong with a label's key, or nothing."""
    prefix, slash, part = name.rpartition("/")
    if "/" in prefix:
        what = (
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character"
        )
        shown = _regex(what, PART, "MyName", "my.name", "123-abc")
        return f"{shown} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (wrong := dns_subdomain(prefix)):
        return f"prefix part {wrong}"
    if not part:
        return "name part must be non-empty"
    if len(part) > 63:
        return "name part must be no more than 63 bytes"
    if re.fullmatch(PART, part):
        return ""
    what = (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character"
    )
    return _regex(what, PART, "MyName", "my.name", "123-abc")


def label_value(value: str) -> str:
    """What is wrong with a label's value, or nothing."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    if re.fullmatch(VALUE, value):
        return ""
    what = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character"
    )
    return _regex(what, VALUE, "MyValue", "my_value", "12345")


def generated(base: str, rng: random.Random) -> str:
    """A name for generateName."""
    return base[:58] + "".join(rng.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH))


def labels_wrong(labels: dict[str, str], field: str) -> Iterator[Cause]:
    """What is wrong with labels, or with a selector."""
    for key, value in labels.items():
        if wrong := qualified_name(key):
            yield invalid(field, key, wrong)
        if wrong := label_value(value):
            yield invalid(field, value, wrong)


def _shared(meta: Object) -> Iterator[Cause]:
    """What is checked of metadata at every write."""
    yield from labels_wrong(meta.get("labels") or {}, "metadata.labels")
    for key in meta.get("annotations") or {}:
        if wrong := qualified_name(key.lower()):
            yield invalid("metadata.annotations", key, wrong)
    for index, name in enumerate(meta.get("finalizers") or ()):
        if wrong := qualified_name(name):
            yield invalid(f"metadata.finalizers[{index}]", name, wrong)
        elif "/" not in name and name not in ("kubernetes", "orphan", "foregroundDeletion"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(f"metadata.finalizers[{index}]", name, why)


def created(meta: Object, rule: NameRule) -> list[Cause]:
    """What is wrong with the metadata of a new object."""
    name = meta.get("name", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    wrong = rule(name)
    return [*([invalid("metadata.name", name, wrong)] if wrong else []), *_shared(meta)]


IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def updated(meta: Object, old: Object) -> list[Cause]:
    """What of the metadata was changed that may not be."""
    causes: list[Cause] = []
    if old.get("deletionTimestamp"):
        added = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(json.dumps(name) for name in added)
            why = "no new finalizers can be added if the object is being deleted, found new finalizers "
            causes.append(forbidden("metadata.finalizers", f"{why}[]string{{{shown}}}"))
    changed = [name for name in IMMUTABLE if meta.get(name) != old.get(name)]
    causes += [invalid(f"metadata.{name}", meta.get(name), "field is immutable") for name in changed]
    return [*causes, *_shared(meta)]


def carried(meta: Object, old: Object) -> Object:
    """The metadata of an update: what the server writes alone is the old object's, however the body has it."""
    kept: Object = {name: old[name] for name in ("uid", "deletionTimestamp") if name in old and not meta.get(name)}
    fixed: Object = {
        name: old[name] for name in ("creationTimestamp", "generation", "deletionGracePeriodSeconds") if name in old
    }
    return {**meta, **kept, **fixed}
