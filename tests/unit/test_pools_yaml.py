"""What is wrong with a pool file's YAML, word for word as users see it."""

from __future__ import annotations

import pytest

from tests.unit.poolfiles import refusal

CASES: dict[str, tuple[bytes | str, str]] = {
    "empty file": (
        "",
        "pools.yaml:1:1: the file is empty\n"
        "hint: a pool file is at least:\n"
        "pools:\n"
        "- name: lan\n"
        "  addresses:\n"
        "  - 192.0.2.200-192.0.2.220",
    ),
    "only comments": (
        "# pools:\n#- name: lan\n",
        "pools.yaml:1:1: the file holds only comments\n"
        "# pools:\n"
        "^\n"
        "hint: a pool file is at least:\n"
        "pools:\n"
        "- name: lan\n"
        "  addresses:\n"
        "  - 192.0.2.200-192.0.2.220",
    ),
    "only a null": (
        "---\n",
        "pools.yaml:1:1: the file holds no value\n"
        "---\n"
        "^\n"
        "hint: a pool file is at least:\n"
        "pools:\n"
        "- name: lan\n"
        "  addresses:\n"
        "  - 192.0.2.200-192.0.2.220",
    ),
    "second document": (
        "pools:\n- {name: lan, addresses: [192.0.2.1]}\n---\npools: []\n",
        "pools.yaml:3:1: a second YAML document begins here\n"
        "---\n"
        "^\n"
        "hint: put everything into one document, without --- lines",
    ),
    "text after the end": (
        "pools:\n- {name: lan, addresses: [192.0.2.1]}\n...\nname: wan\n",
        "pools.yaml:4:1: 'n' stands after the end of the document\nname: wan\n^\nhint: remove it",
    ),
    "unquoted fd00:: in brackets": (
        "pools:\n- {name: lan, addresses: [192.0.2.1, fd00::]}\n",
        "pools.yaml:2:38: YAML cannot read fd00:: without quotes\n"
        "- {name: lan, addresses: [192.0.2.1, fd00::]}\n"
        "                                     ^\n"
        'hint: put it in quotes: "fd00::"',
    ),
    "unquoted ::1 first in brackets": (
        "pools:\n- {name: lan, addresses: [::5, fd00::1]}\n",
        "pools.yaml:2:27: YAML cannot read ::5 without quotes\n"
        "- {name: lan, addresses: [::5, fd00::1]}\n"
        "                          ^\n"
        'hint: put it in quotes: "::5"',
    ),
    "unquoted fd00:: as a value": (
        "pools:\n- name: lan\n  addresses: fd00::\n",
        "pools.yaml:3:14: YAML cannot read fd00:: without quotes\n"
        "  addresses: fd00::\n"
        "             ^\n"
        'hint: put it in quotes: "fd00::"',
    ),
    "unquoted fd00:: in a list": (
        "pools:\n- name: lan\n  addresses:\n  - fd00::\n",
        "pools.yaml:4:5: YAML reads fd00:: as the key of a mapping, for it ends in a colon\n"
        "  - fd00::\n"
        "    ^\n"
        'hint: put it in quotes: "fd00::"',
    ),
    "duplicate key": (
        "pools:\n- name: lan\n  addresses: [192.0.2.1]\n  name: wan\n",
        "pools.yaml:4:3: the key 'name' stands here twice, the first time on line 2\n"
        "  name: wan\n"
        "  ^\n"
        "hint: keep one of the two",
    ),
    "duplicate key at the top": (
        "pools:\n- {name: lan, addresses: [192.0.2.1]}\npools:\n- {name: wan, addresses: [192.0.2.2]}\n",
        "pools.yaml:3:1: the key 'pools' stands here twice, the first time on line 1\n"
        "pools:\n"
        "^\n"
        "hint: keep one of the two",
    ),
    "merge key": (
        "pools:\n- name: lan\n  addresses: [192.0.2.1]\n  <<: {autoAssign: false}\n",
        "pools.yaml:4:3: the merge key << is not read here\n"
        "  <<: {autoAssign: false}\n"
        "  ^\n"
        "hint: write the keys out where they are wanted",
    ),
    "anchor": (
        "pools:\n- {name: &lan lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: the anchor &lan is not read here\n"
        "- {name: &lan lan, addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: remove &lan",
    ),
    "alias": (
        "pools:\n- {name: *lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: the alias *lan is not read here\n"
        "- {name: *lan, addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: write out what &lan marks",
    ),
    "tag": (
        "pools:\n- {name: !!str 10, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: the tag '!!str' is not read here\n"
        "- {name: !!str 10, addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: remove '!!str': every value is read as text",
    ),
    "a list as key": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], [a]: b}\n",
        "pools.yaml:2:39: a key is text, and this is not\n"
        "- {name: lan, addresses: [192.0.2.1], [a]: b}\n"
        "                                      ^\n"
        "hint: write the key as one word before the ':'",
    ),
    "a null as key": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], ~: b}\n",
        "pools.yaml:2:39: a key is text, and this is not\n"
        "- {name: lan, addresses: [192.0.2.1], ~: b}\n"
        "                                      ^\n"
        "hint: write the key as one word before the ':'",
    ),
    "tab for indentation": (
        "pools:\n- name: lan\n\taddresses: [192.0.2.1]\n",
        "pools.yaml:3:1: a tab stands in the indentation\n\taddresses: [192.0.2.1]\n^\nhint: indent with spaces",
    ),
    "tab after the dash": (
        "pools:\n-\tname: lan\n",
        "pools.yaml:2:2: a tab stands in the indentation\n-\tname: lan\n ^\nhint: indent with spaces",
    ),
    "list not closed": (
        "pools:\n- name: lan\n  addresses: [192.0.2.1\n  priority: 1\n",
        "pools.yaml:3:14: the list that begins with [ here goes on to line 4 without a , or ] between its items\n"
        "  addresses: [192.0.2.1\n"
        "             ^\n"
        "hint: write a , between two items and a ] after the last",
    ),
    "mapping not closed": (
        "pools:\n- {name: lan, addresses: [192.0.2.1]\n",
        "pools.yaml:2:3: the mapping that begins with { here goes on to the end of the file "
        "without a , or } between its keys\n"
        "- {name: lan, addresses: [192.0.2.1]\n"
        "  ^\n"
        "hint: write a , between two keys and a } after the last",
    ),
    "quote not closed": (
        "pools:\n- name: 'lan\n  addresses: [192.0.2.1]\n",
        "pools.yaml:2:9: the quote that opens here is never closed\n"
        "- name: 'lan\n"
        "        ^\n"
        "hint: close the quote on the same line",
    ),
    "key too far in": (
        "pools:\n- name: lan\n   addresses: [192.0.2.1]\n",
        "pools.yaml:3:13: a ':' stands where no key can be\n"
        "   addresses: [192.0.2.1]\n"
        "            ^\n"
        "hint: indent the key as the keys above it, write a space after the ':' of a key, and quote text "
        "that holds ': '",
    ),
    "key not far enough in": (
        "pools:\n- name: lan\n addresses: [192.0.2.1]\n",
        "pools.yaml:3:2: this does not fit the mapping that begins on line 1\n"
        " addresses: [192.0.2.1]\n"
        " ^\n"
        "hint: indent a key as the other keys of its mapping, and write nothing after a value that is complete",
    ),
    "key in a list": (
        "pools:\n- name: lan\n  addresses:\n  - 192.0.2.1\n  name: wan\n",
        "pools.yaml:5:3: the key 'name' stands here twice, the first time on line 2\n"
        "  name: wan\n"
        "  ^\n"
        "hint: keep one of the two",
    ),
    "mapping after a list": (
        "- name: lan\npools: []\n",
        "pools.yaml:2:1: this does not fit the list that begins on line 1\n"
        "pools: []\n"
        "^\n"
        "hint: begin the line with - as the list's other items, or indent it under the item it belongs to",
    ),
    "list on the line of its key": (
        "pools: - name: lan\n",
        "pools.yaml:1:8: a list cannot begin here\n"
        "pools: - name: lan\n"
        "       ^\n"
        "hint: write the first - on a line of its own",
    ),
    "character that begins no value": (
        "pools:\n- {name: @lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: a value cannot begin with '@'\n"
        "- {name: @lan, addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: put the value in quotes",
    ),
    "value missing": (
        "pools:\n- {name: lan, addresses: [192.0.2.1,, 192.0.2.2]}\n",
        "pools.yaml:2:37: ',' stands where a value is wanted\n"
        "- {name: lan, addresses: [192.0.2.1,, 192.0.2.2]}\n"
        "                                    ^\n"
        "hint: write the value, or put it in quotes",
    ),
    "unknown escape": (
        'pools:\n- {name: "\\q", addresses: [192.0.2.1]}\n',
        "pools.yaml:2:11: YAML cannot be read here: found unknown escape character\n"
        '- {name: "\\q", addresses: [192.0.2.1]}\n'
        "          ^\n"
        "hint: look at the indentation, the quotes and the brackets of this line and the one above",
    ),
    "control character": (
        "pools:\n- {name: l\x07an, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:11: the control character U+0007 cannot stand in YAML\n"
        "- {name: l�an, addresses: [192.0.2.1]}\n"
        "          ^\n"
        "hint: delete the character",
    ),
    "not UTF-8": (
        b"pools:\n- {name: caf\xe9, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:13: the byte 0xe9 is not UTF-8\n"
        "- {name: caf�, addresses: [192.0.2.1]}\n"
        "            ^\n"
        "hint: save the file as UTF-8",
    ),
    "tab before the place": (
        "pools:\n- name:\tlan\n  priority:\t\thigh\n  addresses: [192.0.2.1]\n",
        "pools.yaml:3:14: priority is a whole number of at most nine digits, and this is 'high'\n"
        "  priority:\t\thigh\n"
        "           \t\t^\n"
        "hint: write priority: 10",
    ),
    "wide characters before the place": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], 名前: 漢字}\n",
        "pools.yaml:2:39: unknown key '名前' in a pool\n"
        "- {name: lan, addresses: [192.0.2.1], 名前: 漢字}\n"
        "                                      ^\n"
        "hint: the keys of a pool are name, addresses, exclude, avoidBuggyIPs, autoAssign, priority, namespaces, "
        "namespaceSelector, serviceSelector, shareAcrossNamespaces, reuseAfter, keepFor, disabled, "
        "interfaces, nodeSelector, onConflict",
    ),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_yaml_that_cannot_be_trusted_is_named_at_its_place(text: bytes | str, said: str) -> None:
    """Each fault of the YAML has its place, its sentence and what to write."""
    assert refusal(text) == said
