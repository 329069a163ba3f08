"""What the sandbox says no with: the API's Status objects, with the reasons, codes and details of the real one.

Pure values. Whoever finds the fault raises it, and the server writes it out; nothing here knows of HTTP but its codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing wrong with one field; `reason` is the API's name for the sort of fault."""

    reason: str
    field: str
    message: str

    @property
    def sentence(self) -> str:
        """The cause as it stands in the message of the whole."""
        return f"{self.field}: {self.message}"


def quoted(value: object) -> str:
    """A value as it is shown in a message: strings in quotes, everything else as JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def invalid(field: str, value: object, why: str) -> Cause:
    """The value is not one that the field can have."""
    return Cause("FieldValueInvalid", field, f"Invalid value: {quoted(value)}: {why}")


def required(field: str, why: str = "") -> Cause:
    """The field must be set."""
    return Cause("FieldValueRequired", field, f"Required value: {why}" if why else "Required value")


def forbidden(field: str, why: str) -> Cause:
    """The field must not be set, or not be changed."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {why}")


def duplicate(field: str, value: object) -> Cause:
    """The value is there twice."""
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {quoted(value)}")


def too_many(field: str, count: int, most: int) -> Cause:
    """The list is longer than it may be."""
    return Cause("FieldValueTooMany", field, f"Too many: {count}: must have at most {most} items")


def unsupported(field: str, value: object, known: Iterable[str]) -> Cause:
    """The value is none of those known."""
    values = ", ".join(quoted(one) for one in known)
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {quoted(value)}: supported values: {values}")


class Refusal(Exception):
    """An answer that is not of success; `details` as in the API's Status."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.warnings: list[str] = []
        self.more = ""  # the token to go on with, where there is one

    def status(self) -> Object:
        """The Status object."""
        meta = {"continue": self.more} if self.more else {}
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": meta, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, "BadRequest", message)


def about(full_name: str, name: str = "") -> Object:
    """The details that say which object it is about; `full_name` is a resource or kind with its group: leases.x.y."""
    kind, _, group = full_name.partition(".")
    named: Object = {"name": name} if name else {}
    named |= {"group": group} if group else {}
    return {**named, "kind": kind} if kind else named


def not_found(resource: str, name: str) -> Refusal:
    """404 for an object."""
    return Refusal(404, "NotFound", f'{resource} "{name}" not found', about(resource, name))


def no_such_resource() -> Refusal:
    """404 for a path of an API group that exists."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def wrong_method() -> Refusal:
    """405."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def exists(resource: str, name: str, *, deleting: bool = False) -> Refusal:
    """409 for a create."""
    prefix = "object is being deleted: " if deleting else ""
    return Refusal(409, "AlreadyExists", f'{prefix}{resource} "{name}" already exists', about(resource, name))


CHANGED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: str, name: str, why: str = CHANGED) -> Refusal:
    """409 for a write that rests on what is no longer so."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Refusal(409, "Conflict", message, about(resource, name))


def unprocessable(kind: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """422; what is wrong twice over stands once in the message, as in the real one's."""
    sentences = list(dict.fromkeys(cause.sentence for cause in causes))
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    named = [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {text}', {**about(kind, name), "causes": named})


def check(kind: str, name: str, causes: Sequence[Cause]) -> None:
    """Raise 422 if there is any cause to."""
    if causes:
        raise unprocessable(kind, name, causes)
