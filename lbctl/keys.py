"""Key: how a Service is named, in the cluster, in the pool file and on the command line.

In a room of its own, so that the pool file names Services without knowing the API's JSON.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A Service's name in the cluster, written namespace/name everywhere."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read `namespace/name`."""
        namespace, _, name = text.partition("/")
        return cls(namespace, name)
