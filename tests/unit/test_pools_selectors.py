"""What is wrong with a pool's namespaces and selectors, word for word as users see it."""

from __future__ import annotations

import pytest

from lbctl.pools import PoolFileInvalid, parse_pools
from lbctl.poolschema import json_schema
from lbctl.selectors import Operator, Requirement, Selector
from tests.unit.poolfiles import refusal

POOL = "pools:\n- name: lan\n  addresses: [192.0.2.0/28, 192.0.2.200-192.0.2.220, 2001:db8::100/120]\n"

CASES: dict[str, tuple[str, str]] = {
    "namespaces is text": (
        POOL + "  namespaces: prod\n",
        "pools.yaml:4:15: namespaces is a list, and this is 'prod'\n"
        "  namespaces: prod\n"
        "              ^\n"
        "hint: write namespaces: [prod]",
    ),
    "namespaces is empty": (
        POOL + "  namespaces: []\n",
        "pools.yaml:4:15: namespaces is an empty list\n"
        "  namespaces: []\n"
        "              ^\n"
        "hint: write namespaces: [prod], or remove namespaces",
    ),
    "namespaces is null": (
        POOL + "  namespaces:\n",
        "pools.yaml:4:14: namespaces has no value\n"
        "  namespaces:\n"
        "             ^\n"
        "hint: write namespaces: [prod], or remove namespaces",
    ),
    "a namespace that is none": (
        POOL + "  namespaces: [prod, My_NS]\n",
        "pools.yaml:4:22: no namespace is named 'My_NS'\n"
        "  namespaces: [prod, My_NS]\n"
        "                     ^\n"
        "hint: write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    "a namespace with a dot": (
        POOL + "  namespaces: [kube.system]\n",
        "pools.yaml:4:16: no namespace is named 'kube.system'\n"
        "  namespaces: [kube.system]\n"
        "               ^\n"
        "hint: write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    "a namespace that is a mapping": (
        POOL + "  namespaces: [name: prod]\n",
        "pools.yaml:4:16: an item of namespaces is text, and this is a mapping\n"
        "  namespaces: [name: prod]\n"
        "               ^\n"
        "hint: write one namespace in each item",
    ),
    "a namespace that is null": (
        POOL + "  namespaces: [prod, ~]\n",
        "pools.yaml:4:22: an item of namespaces is empty\n"
        "  namespaces: [prod, ~]\n"
        "                     ^\n"
        "hint: write something after the -, or remove the -",
    ),
    "selector is null": (
        POOL + "  namespaceSelector:\n",
        "pools.yaml:4:21: namespaceSelector has no value\n"
        "  namespaceSelector:\n"
        "                    ^\n"
        "hint: write namespaceSelector: {matchLabels: {env: prod}}, or remove namespaceSelector",
    ),
    "selector is text": (
        POOL + "  namespaceSelector: team=web\n",
        "pools.yaml:4:22: namespaceSelector is a mapping, and this is 'team=web'\n"
        "  namespaceSelector: team=web\n"
        "                     ^\n"
        "hint: write namespaceSelector: {matchLabels: {team: web}}",
    ),
    "selector is other text": (
        POOL + "  namespaceSelector: team in (web)\n",
        "pools.yaml:4:22: namespaceSelector is a mapping, and this is 'team in (web)'\n"
        "  namespaceSelector: team in (web)\n"
        "                     ^\n"
        "hint: write namespaceSelector: {matchLabels: {env: prod}}",
    ),
    "selector is a list": (
        POOL + "  serviceSelector: [{matchLabels: {app: web}}]\n",
        "pools.yaml:4:20: serviceSelector is a mapping, and this is a list\n"
        "  serviceSelector: [{matchLabels: {app: web}}]\n"
        "                   ^\n"
        "hint: write serviceSelector: {matchLabels: {app: web}}",
    ),
    "key with a near one": (
        POOL + "  namespaceSelector: {matchLabel: {env: prod}}\n",
        "pools.yaml:4:23: unknown key 'matchLabel' in namespaceSelector\n"
        "  namespaceSelector: {matchLabel: {env: prod}}\n"
        "                      ^\n"
        "hint: did you mean matchLabels?",
    ),
    "labels without matchLabels": (
        POOL + "  serviceSelector: {app: web}\n",
        "pools.yaml:4:21: unknown key 'app' in serviceSelector\n"
        "  serviceSelector: {app: web}\n"
        "                    ^\n"
        "hint: write matchLabels: {app: web}",
    ),
    "a label with a value of several lines": (
        POOL + '  serviceSelector: {app: "a\\nb"}\n',
        "pools.yaml:4:21: unknown key 'app' in serviceSelector\n"
        '  serviceSelector: {app: "a\\nb"}\n'
        "                    ^\n"
        "hint: the keys of serviceSelector are matchLabels, matchExpressions",
    ),
    "an expression's key in the selector": (
        POOL + "  serviceSelector: {operator: In}\n",
        "pools.yaml:4:21: unknown key 'operator' in serviceSelector\n"
        "  serviceSelector: {operator: In}\n"
        "                    ^\n"
        "hint: operator belongs into an item of matchExpressions",
    ),
    "a pool's key in the selector": (
        POOL + "  serviceSelector: {priority: '10'}\n",
        "pools.yaml:4:21: unknown key 'priority' in serviceSelector\n"
        "  serviceSelector: {priority: '10'}\n"
        "                    ^\n"
        "hint: priority belongs into an item of pools",
    ),
    "a selector's key in the pool": (
        POOL + "  matchLabels: {app: web}\n",
        "pools.yaml:4:3: unknown key 'matchLabels' in a pool\n"
        "  matchLabels: {app: web}\n"
        "  ^\n"
        "hint: matchLabels belongs into namespaceSelector, serviceSelector or nodeSelector",
    ),
    "matchLabels is a list": (
        POOL + "  serviceSelector: {matchLabels: [app]}\n",
        "pools.yaml:4:34: matchLabels is a mapping, and this is a list\n"
        "  serviceSelector: {matchLabels: [app]}\n"
        "                                 ^\n"
        "hint: write matchLabels: {app: web}",
    ),
    "matchLabels is null": (
        POOL + "  serviceSelector: {matchLabels: }\n",
        "pools.yaml:4:34: matchLabels has no value\n"
        "  serviceSelector: {matchLabels: }\n"
        "                                 ^\n"
        "hint: write matchLabels: {app: web}, or remove matchLabels",
    ),
    "label key": (
        POOL + "  serviceSelector: {matchLabels: {-app: web}}\n",
        "pools.yaml:4:35: a label cannot have the key '-app'\n"
        "  serviceSelector: {matchLabels: {-app: web}}\n"
        "                                  ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends; a DNS name "
        "and / may stand before",
    ),
    "label key with two slashes": (
        POOL + "  serviceSelector: {matchLabels: {a/b/c: web}}\n",
        "pools.yaml:4:35: a label cannot have the key 'a/b/c'\n"
        "  serviceSelector: {matchLabels: {a/b/c: web}}\n"
        "                                  ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends; a DNS name "
        "and / may stand before",
    ),
    "label named [key]": (
        POOL + '  serviceSelector: {matchLabels: {"a/[key]": web}}\n',
        "pools.yaml:4:35: a label cannot have the key 'a/[key]'\n"
        '  serviceSelector: {matchLabels: {"a/[key]": web}}\n'
        "                                  ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends; a DNS name "
        "and / may stand before",
    ),
    "label key in brackets": (
        POOL + '  serviceSelector: {matchLabels: {"[key]": web}}\n',
        "pools.yaml:4:35: a label cannot have the key '[key]'\n"
        '  serviceSelector: {matchLabels: {"[key]": web}}\n'
        "                                  ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends; a DNS name "
        "and / may stand before",
    ),
    "label value": (
        POOL + "  serviceSelector: {matchLabels: {app: my web}}\n",
        "pools.yaml:4:40: a label cannot have the value 'my web'\n"
        "  serviceSelector: {matchLabels: {app: my web}}\n"
        "                                       ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends",
    ),
    "label value too long": (
        POOL + "  serviceSelector: "
        "{matchLabels: {app: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}\n",
        "pools.yaml:4:40: a label cannot have the value "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'\n"
        "  serviceSelector: {matchLabels: {app: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}\n"
        "                                       ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends",
    ),
    "label value is null": (
        POOL + "  serviceSelector: {matchLabels: {app: }}\n",
        "pools.yaml:4:40: the label app has no value\n"
        "  serviceSelector: {matchLabels: {app: }}\n"
        "                                       ^\n"
        'hint: write the value, or "" for an empty one',
    ),
    "label value is a list": (
        POOL + "  serviceSelector: {matchLabels: {app: [web, api]}}\n",
        "pools.yaml:4:40: the value of a label is text, and this is a list\n"
        "  serviceSelector: {matchLabels: {app: [web, api]}}\n"
        "                                       ^\n"
        "hint: write one value, or use matchExpressions, which take several",
    ),
    "matchExpressions is a mapping": (
        POOL + "  serviceSelector: {matchExpressions: {key: app}}\n",
        "pools.yaml:4:39: matchExpressions is a list, and this is a mapping\n"
        "  serviceSelector: {matchExpressions: {key: app}}\n"
        "                                      ^\n"
        "hint: write matchExpressions: [{key: tier, operator: In, values: [front, back]}]",
    ),
    "expression is text": (
        POOL + "  serviceSelector: {matchExpressions: [app in (web)]}\n",
        "pools.yaml:4:40: an item of matchExpressions is a mapping, and this is 'app in (web)'\n"
        "  serviceSelector: {matchExpressions: [app in (web)]}\n"
        "                                       ^\n"
        "hint: write {key: tier, operator: In, values: [front, back]}",
    ),
    "expression is null": (
        POOL + "  serviceSelector: {matchExpressions: [~]}\n",
        "pools.yaml:4:40: an item of matchExpressions is empty\n"
        "  serviceSelector: {matchExpressions: [~]}\n"
        "                                       ^\n"
        "hint: write something after the -, or remove the -",
    ),
    "expression without key": (
        POOL + "  serviceSelector: {matchExpressions: [{operator: Exists}]}\n",
        "pools.yaml:4:40: the item of matchExpressions has no key\n"
        "  serviceSelector: {matchExpressions: [{operator: Exists}]}\n"
        "                                       ^\n"
        "hint: add key: tier",
    ),
    "expression without operator": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app}]}\n",
        "pools.yaml:4:40: the item of matchExpressions has no operator\n"
        "  serviceSelector: {matchExpressions: [{key: app}]}\n"
        "                                       ^\n"
        "hint: add operator: In",
    ),
    "unknown key in expression": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, value: x}]}\n",
        "pools.yaml:4:69: unknown key 'value' in an item of matchExpressions\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, value: x}]}\n"
        "                                                                    ^\n"
        "hint: did you mean values?",
    ),
    "unknown far key in expression": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, colour: x}]}\n",
        "pools.yaml:4:69: unknown key 'colour' in an item of matchExpressions\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, colour: x}]}\n"
        "                                                                    ^\n"
        "hint: the keys of an item of matchExpressions are key, operator, values",
    ),
    "expression's label key": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app!, operator: Exists}]}\n",
        "pools.yaml:4:46: a label cannot have the key 'app!'\n"
        "  serviceSelector: {matchExpressions: [{key: app!, operator: Exists}]}\n"
        "                                             ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends; a DNS name "
        "and / may stand before",
    ),
    "operator in another case": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: notin, values: [a]}]}\n",
        "pools.yaml:4:61: there is no operator 'notin'\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: notin, values: [a]}]}\n"
        "                                                            ^\n"
        "hint: write In, NotIn, Exists or DoesNotExist; did you mean NotIn?",
    ),
    "operator of kubectl": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: '!=', values: [a]}]}\n",
        "pools.yaml:4:61: there is no operator '!='\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: '!=', values: [a]}]}\n"
        "                                                            ^\n"
        "hint: write In, NotIn, Exists or DoesNotExist; did you mean NotIn?",
    ),
    "operator far from any": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: Gt, values: ['1']}]}\n",
        "pools.yaml:4:61: there is no operator 'Gt'\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: Gt, values: ['1']}]}\n"
        "                                                            ^\n"
        "hint: write In, NotIn, Exists or DoesNotExist",
    ),
    "operator is a list": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: [In], values: ['1']}]}\n",
        "pools.yaml:4:61: operator is text, and this is a list\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: [In], values: ['1']}]}\n"
        "                                                            ^\n"
        "hint: write operator: In",
    ),
    "In without values": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: In}]}\n",
        "pools.yaml:4:61: In needs at least one value\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: In}]}\n"
        "                                                            ^\n"
        "hint: write values: [front, back]",
    ),
    "NotIn with an empty list": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: NotIn, values: []}]}\n",
        "pools.yaml:4:76: NotIn needs at least one value\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: NotIn, values: []}]}\n"
        "                                                                           ^\n"
        "hint: write values: [front, back]",
    ),
    "Exists with values": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, values: [web]}]}\n",
        "pools.yaml:4:77: Exists takes no values\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: Exists, values: [web]}]}\n"
        "                                                                            ^\n"
        "hint: remove values, or write operator: In",
    ),
    "DoesNotExist with values": (
        POOL + "  namespaceSelector: {matchExpressions: [{key: app, operator: DoesNotExist, values: [web]}]}\n",
        "pools.yaml:4:85: DoesNotExist takes no values\n"
        "  namespaceSelector: {matchExpressions: [{key: app, operator: DoesNotExist, values: [web]}]}\n"
        "                                                                                    ^\n"
        "hint: remove values, or write operator: NotIn",
    ),
    "values is text": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: web}]}\n",
        "pools.yaml:4:73: values is a list, and this is 'web'\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: web}]}\n"
        "                                                                        ^\n"
        "hint: write values: [web]",
    ),
    "values is null": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: }]}\n",
        "pools.yaml:4:73: values has no value\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: }]}\n"
        "                                                                        ^\n"
        "hint: write values: [front, back], or remove values",
    ),
    "a value that no label has": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: [web, -web]}]}\n",
        "pools.yaml:4:79: a label cannot have the value '-web'\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: [web, -web]}]}\n"
        "                                                                              ^\n"
        "hint: write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends",
    ),
    "a value that is a list": (
        POOL + "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: [[web]]}]}\n",
        "pools.yaml:4:74: an item of values is text, and this is a list\n"
        "  serviceSelector: {matchExpressions: [{key: app, operator: In, values: [[web]]}]}\n"
        "                                                                         ^\n"
        "hint: write one value in each item",
    ),
    "interfaces is text": (
        POOL + "  interfaces: eth0\n",
        "pools.yaml:4:15: interfaces is a list, and this is 'eth0'\n"
        "  interfaces: eth0\n"
        "              ^\n"
        "hint: write interfaces: [eth0]",
    ),
    "interfaces is empty": (
        POOL + "  interfaces: []\n",
        "pools.yaml:4:15: interfaces is an empty list\n"
        "  interfaces: []\n"
        "              ^\n"
        "hint: write interfaces: [eth0], or remove interfaces",
    ),
    "an interface that is none": (
        POOL + "  interfaces: [eth0, the second one]\n",
        "pools.yaml:4:22: no interface is named 'the second one'\n"
        "  interfaces: [eth0, the second one]\n"
        "                     ^\n"
        "hint: write it as `ip link` shows it, such as eth0: up to 15 characters",
    ),
    "an interface that is a list": (
        POOL + "  interfaces: [[eth0]]\n",
        "pools.yaml:4:16: an item of interfaces is text, and this is a list\n"
        "  interfaces: [[eth0]]\n"
        "               ^\n"
        "hint: write one interface in each item",
    ),
    "a nodeSelector that is a label": (
        POOL + "  nodeSelector: lan=yes\n",
        "pools.yaml:4:17: nodeSelector is a mapping, and this is 'lan=yes'\n"
        "  nodeSelector: lan=yes\n"
        "                ^\n"
        "hint: write nodeSelector: {matchLabels: {lan: yes}}",
    ),
    "onConflict is another word": (
        POOL + "  onConflict: fight\n",
        "pools.yaml:4:15: onConflict is defend or yield, and this is 'fight'\n"
        "  onConflict: fight\n"
        "              ^\n"
        "hint: write onConflict: defend or onConflict: yield",
    ),
    "disabled yes": (
        POOL + "  disabled: yes\n",
        "pools.yaml:4:13: disabled is true or false, and this is 'yes'\n"
        "  disabled: yes\n"
        "            ^\n"
        "hint: write disabled: true",
    ),
    "sharing": (
        POOL + "  shareAcrossNamespaces: Off\n",
        "pools.yaml:4:26: shareAcrossNamespaces is true or false, and this is 'Off'\n"
        "  shareAcrossNamespaces: Off\n"
        "                         ^\n"
        "hint: write shareAcrossNamespaces: false",
    ),
}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_a_wrong_selector_is_named_at_its_place(text: str, said: str) -> None:
    """Each wrong key, namespace, label, operator or value has its place, its sentence and what to write."""
    assert refusal(text) == said


@pytest.mark.parametrize(
    ("meant", "written"),
    [
        ("In", ["in", "IN", "=", "==", "equals"]),
        ("NotIn", ["notin", "not in", "Not-In", "!="]),
        ("Exists", ["exists", "Exist"]),
        ("DoesNotExist", ["doesnotexist", "DoesntExist", "NotExists", "!"]),
    ],
)
def test_an_operator_by_another_name_is_recognised(meant: str, written: list[str]) -> None:
    """What kubectl, Python or a slip of the hand calls an operator leads to the one that is meant."""
    for name in written:
        expression = f"{{key: app, operator: '{name}', values: [web]}}"
        said = refusal(f"{POOL}  serviceSelector: {{matchExpressions: [{expression}]}}\n")
        assert said.endswith(f"\nhint: write In, NotIn, Exists or DoesNotExist; did you mean {meant}?")


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("a", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("A.b_c-9", True),
        ("a.", False),
        ("_a", False),
        ("example.com/a", True),
        ("Example.com/a", False),
        ("/a", False),
        ("a/", False),
        ("a/b/c", False),
        ("a..b/c", False),
        (f"{'a' * 253}/b", True),
        (f"{'a.' * 126}a/b", True),
        (f"{'a.' * 126}aa/b", False),
        ("\u00e9", False),
        ("a\\n", False),
    ],
)
def test_label_keys_are_those_of_kubernetes(key: str, good: bool) -> None:
    """Up to 63 characters, and before a slash a DNS name of up to 253 whose parts are not counted."""
    selector = f'{{matchLabels: {{"{key}": x}}, matchExpressions: [{{key: "{key}", operator: Exists}}]}}'
    text = f"{POOL}  serviceSelector: {selector}\n"
    if good:
        assert parse_pools("pools.yaml", text.encode()).pools[0].service_selector is not None
        return
    with pytest.raises(PoolFileInvalid) as refused:
        parse_pools("pools.yaml", text.encode())
    assert [p.sentence.partition(" '")[0] for p in refused.value.problems] == ["a label cannot have the key"] * 2


@pytest.mark.parametrize("value", ["", "a", "a" * 63, "1.2_3-A"])
def test_label_values_are_those_of_kubernetes(value: str) -> None:
    """Up to 63 characters, or none."""
    expression = f'{{key: app, operator: In, values: ["{value}"]}}'
    text = f'{POOL}  serviceSelector: {{matchLabels: {{app: "{value}"}}, matchExpressions: [{expression}]}}\n'
    found = parse_pools("pools.yaml", text.encode()).pools[0].service_selector
    assert found == Selector((("app", value),), (Requirement("app", Operator.IN, (value,)),))


def test_all_that_is_wrong_with_selectors_is_told_at_once() -> None:
    """The schema's errors and the rules' come together, in file order."""
    text = f"""{POOL}  namespaces: [Prod]
  namespaceSelector: {{matchExpressions: [{{key: -a, operator: In}}, {{key: b, operator: is, values: [' ']}}]}}
  serviceSelector: {{matchExpressions: [{{key: c, operator: Exists, values: [d]}}], matchLabel: {{e: f}}}}
"""
    with pytest.raises(PoolFileInvalid) as refused:
        parse_pools("pools.yaml", text.encode())
    assert [(p.place.line, p.place.column, p.sentence) for p in refused.value.problems] == [
        (4, 16, "no namespace is named 'Prod'"),
        (5, 48, "a label cannot have the key '-a'"),
        (5, 62, "In needs at least one value"),
        (5, 86, "there is no operator 'is'"),
        (5, 99, "a label cannot have the value ' '"),
        (6, 75, "Exists takes no values"),
        (6, 82, "unknown key 'matchLabel' in serviceSelector"),
    ]


def test_the_schema_has_the_operators_that_there_are() -> None:
    """Editors offer what lbctl takes, and no more."""
    schema = json_schema()["$defs"]["ExpressionModel"]["properties"]["operator"]
    assert schema["enum"] == [str(operator) for operator in Operator]
