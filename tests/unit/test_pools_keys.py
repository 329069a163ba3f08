"""What is wrong with a pool file's keys and values, word for word as users see it."""

from __future__ import annotations

import pytest

from tests.unit.poolfiles import refusal

CASES: dict[str, tuple[str, str]] = {
    "unknown key with a near one": (
        "pools:\n- {name: lan, adresses: [192.0.2.1], addresses: [192.0.2.1]}\n",
        "pools.yaml:2:15: unknown key 'adresses' in a pool\n"
        "- {name: lan, adresses: [192.0.2.1], addresses: [192.0.2.1]}\n"
        "              ^\n"
        "hint: did you mean addresses?",
    ),
    "unknown key in another case": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], auto_assign: false}\n",
        "pools.yaml:2:39: unknown key 'auto_assign' in a pool\n"
        "- {name: lan, addresses: [192.0.2.1], auto_assign: false}\n"
        "                                      ^\n"
        "hint: did you mean autoAssign?",
    ),
    "unknown key far from any": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], colour: red}\n",
        "pools.yaml:2:39: unknown key 'colour' in a pool\n"
        "- {name: lan, addresses: [192.0.2.1], colour: red}\n"
        "                                      ^\n"
        "hint: the keys of a pool are name, addresses, exclude, avoidBuggyIPs, autoAssign, priority, namespaces, "
        "namespaceSelector, serviceSelector, shareAcrossNamespaces, reuseAfter, keepFor, disabled, "
        "interfaces, nodeSelector, onConflict",
    ),
    "unknown key at the top": (
        "colour: red\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:1: unknown key 'colour' in the pool file\n"
        "colour: red\n"
        "^\n"
        "hint: the keys of the pool file are apiVersion, loadBalancerClass, pools, reservations",
    ),
    "a pool's key at the top": (
        "priority: 1\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:1: unknown key 'priority' in the pool file\n"
        "priority: 1\n"
        "^\n"
        "hint: priority belongs into an item of pools",
    ),
    "a top key in a pool": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], apiVersion: lbctl/v1}\n",
        "pools.yaml:2:39: unknown key 'apiVersion' in a pool\n"
        "- {name: lan, addresses: [192.0.2.1], apiVersion: lbctl/v1}\n"
        "                                      ^\n"
        "hint: apiVersion belongs at the top of the file",
    ),
    "file that is a list": (
        "- name: lan\n  addresses: [192.0.2.1]\n",
        "pools.yaml:1:1: a pool file is a mapping, and this is a list\n"
        "- name: lan\n"
        "^\n"
        "hint: begin the file with pools:",
    ),
    "file that is text": (
        "192.0.2.1\n",
        "pools.yaml:1:1: a pool file is a mapping, and this is '192.0.2.1'\n"
        "192.0.2.1\n"
        "^\n"
        "hint: begin the file with pools:",
    ),
    "no pools key": (
        "apiVersion: lbctl/v1\n",
        "pools.yaml:1:1: the pool file has no pools\n"
        "apiVersion: lbctl/v1\n"
        "^\n"
        "hint: add pools: [{name: lan, addresses: [192.0.2.200-192.0.2.220]}]",
    ),
    "pools: []": (
        "pools: []\n",
        "pools.yaml:1:8: pools is an empty list\n"
        "pools: []\n"
        "       ^\n"
        "hint: write pools: [{name: lan, addresses: [192.0.2.200-192.0.2.220]}]",
    ),
    "pools is null": (
        "pools:\n",
        "pools.yaml:1:7: pools has no value\n"
        "pools:\n"
        "      ^\n"
        "hint: write pools: [{name: lan, addresses: [192.0.2.200-192.0.2.220]}]",
    ),
    "pools is a mapping": (
        "pools:\n  lan: {addresses: [192.0.2.1]}\n",
        "pools.yaml:2:3: pools is a list, and this is a mapping\n"
        "  lan: {addresses: [192.0.2.1]}\n"
        "  ^\n"
        "hint: write pools: [{name: lan, addresses: [192.0.2.200-192.0.2.220]}]",
    ),
    "pool is text": (
        "pools:\n- lan\n",
        "pools.yaml:2:3: an item of pools is a mapping, and this is 'lan'\n"
        "- lan\n"
        "  ^\n"
        "hint: write {name: lan, addresses: [192.0.2.200-192.0.2.220]}",
    ),
    "pool is null": (
        "pools:\n-\n",
        "pools.yaml:2:2: an item of pools is empty\n-\n ^\nhint: write something after the -, or remove the -",
    ),
    "other apiVersion": (
        "apiVersion: v1\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:13: apiVersion is 'v1', which this lbctl does not read\n"
        "apiVersion: v1\n"
        "            ^\n"
        "hint: write apiVersion: lbctl/v1, or update lbctl",
    ),
    "empty class": (
        "loadBalancerClass: ''\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:20: a class cannot be named ''\n"
        "loadBalancerClass: ''\n"
        "                   ^\n"
        "hint: write it as in the Services' spec.loadBalancerClass, such as example.com/lan",
    ),
    "null class": (
        "loadBalancerClass:\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:19: loadBalancerClass has no value\n"
        "loadBalancerClass:\n"
        "                  ^\n"
        "hint: write loadBalancerClass: example.com/lan, or remove loadBalancerClass",
    ),
    "class is a list": (
        "loadBalancerClass: [a]\npools:\n- {name: lan, addresses: [192.0.2.1]}\n",
        "pools.yaml:1:20: loadBalancerClass is text, and this is a list\n"
        "loadBalancerClass: [a]\n"
        "                   ^\n"
        "hint: write loadBalancerClass: example.com/lan",
    ),
    "pool without name": (
        "pools:\n- addresses: [192.0.2.1]\n",
        "pools.yaml:2:3: the pool has no name\n- addresses: [192.0.2.1]\n  ^\nhint: add name: lan",
    ),
    "pool without addresses": (
        "pools:\n- name: lan\n",
        "pools.yaml:2:3: the pool has no addresses\n- name: lan\n  ^\nhint: add addresses: [192.0.2.200-192.0.2.220]",
    ),
    "bad name": (
        "pools:\n- {name: My Pool, addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: a pool cannot be named 'My Pool'\n"
        "- {name: My Pool, addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    "name is null": (
        "pools:\n- {name: , addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: name has no value\n- {name: , addresses: [192.0.2.1]}\n         ^\nhint: write name: lan",
    ),
    "name is a list": (
        "pools:\n- {name: [lan], addresses: [192.0.2.1]}\n",
        "pools.yaml:2:10: name is text, and this is a list\n"
        "- {name: [lan], addresses: [192.0.2.1]}\n"
        "         ^\n"
        "hint: write name: lan",
    ),
    "duplicate name": (
        "pools:\n- {name: lan, addresses: [192.0.2.1]}\n- {name: lan, addresses: [192.0.2.2]}\n",
        "pools.yaml:3:10: the name 'lan' is taken by the pool on line 2\n"
        "- {name: lan, addresses: [192.0.2.2]}\n"
        "         ^\n"
        "hint: give each pool a name of its own",
    ),
    "addresses: []": (
        "pools:\n- {name: lan, addresses: []}\n",
        "pools.yaml:2:26: addresses is an empty list\n"
        "- {name: lan, addresses: []}\n"
        "                         ^\n"
        "hint: write addresses: [192.0.2.200-192.0.2.220]",
    ),
    "addresses is null": (
        "pools:\n- {name: lan, addresses: ~}\n",
        "pools.yaml:2:26: addresses has no value\n"
        "- {name: lan, addresses: ~}\n"
        "                         ^\n"
        "hint: write addresses: [192.0.2.200-192.0.2.220]",
    ),
    "addresses is text": (
        "pools:\n- {name: lan, addresses: 192.0.2.1-192.0.2.9}\n",
        "pools.yaml:2:26: addresses is a list, and this is '192.0.2.1-192.0.2.9'\n"
        "- {name: lan, addresses: 192.0.2.1-192.0.2.9}\n"
        "                         ^\n"
        "hint: write addresses: [192.0.2.1-192.0.2.9]",
    ),
    "addresses is a mapping": (
        "pools:\n- {name: lan, addresses: {from: 192.0.2.1}}\n",
        "pools.yaml:2:26: addresses is a list, and this is a mapping\n"
        "- {name: lan, addresses: {from: 192.0.2.1}}\n"
        "                         ^\n"
        "hint: write addresses: [192.0.2.200-192.0.2.220]",
    ),
    "address is null": (
        "pools:\n- name: lan\n  addresses:\n  -\n",
        "pools.yaml:4:4: an item of addresses is empty\n  -\n   ^\nhint: write something after the -, or remove the -",
    ),
    "address is a list": (
        "pools:\n- {name: lan, addresses: [[192.0.2.1]]}\n",
        "pools.yaml:2:27: an item of addresses is text, and this is a list\n"
        "- {name: lan, addresses: [[192.0.2.1]]}\n"
        "                          ^\n"
        "hint: write one address, range or CIDR in each item",
    ),
    "address is a mapping": (
        "pools:\n- {name: lan, addresses: [start: 192.0.2.1]}\n",
        "pools.yaml:2:27: an item of addresses is text, and this is a mapping\n"
        "- {name: lan, addresses: [start: 192.0.2.1]}\n"
        "                          ^\n"
        "hint: write one address, range or CIDR in each item",
    ),
    "exclude is null": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], exclude: }\n",
        "pools.yaml:2:48: exclude has no value\n"
        "- {name: lan, addresses: [192.0.2.1], exclude: }\n"
        "                                               ^\n"
        "hint: write exclude: [192.0.2.210], or remove exclude",
    ),
    "a boolean written yes": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], autoAssign: yes}\n",
        "pools.yaml:2:51: autoAssign is true or false, and this is 'yes'\n"
        "- {name: lan, addresses: [192.0.2.1], autoAssign: yes}\n"
        "                                                  ^\n"
        "hint: write autoAssign: true",
    ),
    "a boolean written no": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], autoAssign: no}\n",
        "pools.yaml:2:51: autoAssign is true or false, and this is 'no'\n"
        "- {name: lan, addresses: [192.0.2.1], autoAssign: no}\n"
        "                                                  ^\n"
        "hint: write autoAssign: false",
    ),
    "a boolean written on": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: on}\n",
        "pools.yaml:2:54: avoidBuggyIPs is true or false, and this is 'on'\n"
        "- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: on}\n"
        "                                                     ^\n"
        "hint: write avoidBuggyIPs: true",
    ),
    "a boolean written off": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: off}\n",
        "pools.yaml:2:54: avoidBuggyIPs is true or false, and this is 'off'\n"
        "- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: off}\n"
        "                                                     ^\n"
        "hint: write avoidBuggyIPs: false",
    ),
    "boolean with a capital": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: True}\n",
        "pools.yaml:2:54: avoidBuggyIPs is true or false, and this is 'True'\n"
        "- {name: lan, addresses: [192.0.2.1], avoidBuggyIPs: True}\n"
        "                                                     ^\n"
        "hint: write avoidBuggyIPs: true",
    ),
    "boolean in other words": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], autoAssign: never}\n",
        "pools.yaml:2:51: autoAssign is true or false, and this is 'never'\n"
        "- {name: lan, addresses: [192.0.2.1], autoAssign: never}\n"
        "                                                  ^\n"
        "hint: write autoAssign: true or autoAssign: false",
    ),
    "boolean is a list": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], autoAssign: [true]}\n",
        "pools.yaml:2:51: autoAssign is true or false, and this is a list\n"
        "- {name: lan, addresses: [192.0.2.1], autoAssign: [true]}\n"
        "                                                  ^\n"
        "hint: write autoAssign: true or autoAssign: false",
    ),
    "boolean is null": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], autoAssign: null}\n",
        "pools.yaml:2:51: autoAssign has no value\n"
        "- {name: lan, addresses: [192.0.2.1], autoAssign: null}\n"
        "                                                  ^\n"
        "hint: write autoAssign: false, or remove autoAssign",
    ),
    "priority in words": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], priority: high}\n",
        "pools.yaml:2:49: priority is a whole number of at most nine digits, and this is 'high'\n"
        "- {name: lan, addresses: [192.0.2.1], priority: high}\n"
        "                                                ^\n"
        "hint: write priority: 10",
    ),
    "priority with a point": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], priority: 1.5}\n",
        "pools.yaml:2:49: priority is a whole number of at most nine digits, and this is '1.5'\n"
        "- {name: lan, addresses: [192.0.2.1], priority: 1.5}\n"
        "                                                ^\n"
        "hint: write priority: 10",
    ),
    "priority in octal": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], priority: 010}\n",
        "pools.yaml:2:49: priority is a whole number of at most nine digits, and this is '010'\n"
        "- {name: lan, addresses: [192.0.2.1], priority: 010}\n"
        "                                                ^\n"
        "hint: write priority: 10",
    ),
    "priority too long": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], priority: 99999999999}\n",
        "pools.yaml:2:49: priority is a whole number of at most nine digits, and this is '99999999999'\n"
        "- {name: lan, addresses: [192.0.2.1], priority: 99999999999}\n"
        "                                                ^\n"
        "hint: write priority: 10",
    ),
    "duration without a unit": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], reuseAfter: 60}\n",
        "pools.yaml:2:51: reuseAfter is a duration, and this is '60'\n"
        "- {name: lan, addresses: [192.0.2.1], reuseAfter: 60}\n"
        "                                                  ^\n"
        "hint: write reuseAfter: 60s",
    ),
    "duration in days": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], keepFor: 7d}\n",
        "pools.yaml:2:48: keepFor is a duration, and this is '7d'\n"
        "- {name: lan, addresses: [192.0.2.1], keepFor: 7d}\n"
        "                                               ^\n"
        "hint: write keepFor: 168h",
    ),
    "duration in words": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], keepFor: 1 hour}\n",
        "pools.yaml:2:48: keepFor is a duration, and this is '1 hour'\n"
        "- {name: lan, addresses: [192.0.2.1], keepFor: 1 hour}\n"
        "                                               ^\n"
        "hint: write hours, minutes, seconds as in 24h, 1h30m, 60s, 500ms",
    ),
    "negative duration": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], reuseAfter: -5s}\n",
        "pools.yaml:2:51: reuseAfter is negative\n"
        "- {name: lan, addresses: [192.0.2.1], reuseAfter: -5s}\n"
        "                                                  ^\n"
        "hint: write reuseAfter: 0s or more",
    ),
    "duration longer than Go's": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], keepFor: 9999999h}\n",
        "pools.yaml:2:48: keepFor is longer than 292 years\n"
        "- {name: lan, addresses: [192.0.2.1], keepFor: 9999999h}\n"
        "                                               ^\n"
        "hint: write keepFor: 24h",
    ),
    "duration is a list": (
        "pools:\n- {name: lan, addresses: [192.0.2.1], keepFor: [24h]}\n",
        "pools.yaml:2:48: keepFor is a duration, and this is a list\n"
        "- {name: lan, addresses: [192.0.2.1], keepFor: [24h]}\n"
        "                                               ^\n"
        "hint: write hours, minutes, seconds as in 24h, 1h30m, 60s, 500ms",
    ),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_a_wrong_key_or_value_is_named_at_its_place(text: str, said: str) -> None:
    """Each wrong key, type or value has its place, its sentence and what to write."""
    assert refusal(text) == said
