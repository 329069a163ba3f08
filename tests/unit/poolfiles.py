"""What is said of a pool file that is wrong in one place, for the tables of the tests beside this."""

from __future__ import annotations

import pytest

from lbctl.pools import PoolFileInvalid, parse_pools


def refusal(text: bytes | str) -> str:
    """What a pool file with this text is told, without the line that counts the errors."""
    with pytest.raises(PoolFileInvalid) as refused:
        parse_pools("pools.yaml", text if isinstance(text, bytes) else text.encode())
    head, _, body = refused.value.message.partition("\n\n")
    assert head == "pools.yaml has 1 error"
    assert (refused.value.exit_code, refused.value.hint) == (3, "")
    return body
