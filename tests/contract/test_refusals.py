"""What is no request: paths, methods and bodies that mean nothing here."""

from __future__ import annotations

import pytest

from tests.contract.wire import Wire, config_map, service

NO_RESOURCE = (404, "NotFound", "the server could not find the requested resource")
WRONG_METHOD = (405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_is_not_there_is_not_found(api: Wire, method: str) -> None:
    """404 with a Status, by which lbctl tells it from a proxy's page."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = {"PUT": config_map("a"), "PATCH": {}}.get(method)
    refused = api.ask(method, "configmaps/a", body, kind=kind)
    assert refused.refusal == (404, "NotFound", 'configmaps "a" not found')
    assert refused.body["details"] == {"name": "a", "kind": "configmaps"}
    assert (refused.body["kind"], refused.body["status"], refused.body["code"]) == ("Status", "Failure", 404)


@pytest.mark.parametrize(
    "path", ["nothing", "nothing/a", "configmaps/a/status", "services/a/nothing", "/apis/nothing/v1"]
)
def test_a_resource_that_nobody_knows(api: Wire, path: str) -> None:
    """404, without a name."""
    refused = api.get(path)
    if path.startswith("/apis"):
        assert refused.status == 404
    else:
        assert refused.refusal == NO_RESOURCE


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "services/a"), ("PUT", "services"), ("DELETE", "/api/v1/services"), ("POST", "services/a/status")],
)
def test_a_method_that_a_path_does_not_take(api: Wire, method: str, path: str) -> None:
    """405."""
    assert api.ask(method, path, {}).refusal == WRONG_METHOD


def test_a_page_outside_of_the_api(api: Wire) -> None:
    """404 without a Status: such a 404 proves nothing."""
    refused = api.get("/nothing")
    assert (refused.status, refused.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            b"garbage", "json parse error: invalid character 'g' looking for beginning of value", id="garbage"
        ),
        pytest.param(b"", "json parse error: unexpected end of JSON input", id="empty"),
    ],
)
def test_a_body_that_is_no_json(api: Wire, body: bytes, message: str) -> None:
    """400."""
    refused = api.post("services", body)
    assert refused.refusal[:2] == (400, "BadRequest")
    assert refused.body["message"].startswith(
        f"the object provided is unrecognized (must be of type Service): couldn't get version/kind; {message}"
    )


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param(
            {"kind": "ConfigMap", "apiVersion": "v1"},
            'ConfigMap in version "v1" cannot be handled as a Service: converting (v1.ConfigMap) to (core.Service)',
            id="kind",
        ),
        pytest.param(
            {"kind": "Service", "apiVersion": "v2"},
            'Service in version "v2" cannot be handled as a Service: no kind "Service" is registered for version "v2"',
            id="version",
        ),
    ],
)
def test_a_body_of_another_kind(api: Wire, head: dict[str, str], message: str) -> None:
    """400."""
    refused = api.post("services", {**service("a"), **head})
    assert refused.refusal[:2] == (400, "BadRequest")
    assert refused.body["message"].startswith(message)


def test_a_field_of_the_wrong_type(api: Wire) -> None:
    """400, in the words of the decoder."""
    refused = api.post("services", service("a", ports=[{"port": "80"}]))
    assert refused.refusal == (
        400,
        "BadRequest",
        'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string into Go struct field '
        "ServicePort.spec.ports.port of type int32",
    )


def test_a_body_of_another_media_type(api: Wire) -> None:
    """415."""
    refused = api.ask("POST", "services", service("a"), kind="text/plain")
    assert refused.refusal[:2] == (415, "UnsupportedMediaType")


def test_an_unknown_field_is_refused_when_it_is_to_be(api: Wire) -> None:
    """400 with fieldValidation=Strict, as kubectl asks for."""
    refused = api.post("services", {**service("a"), "foo": 1}, fieldValidation="Strict")
    message = 'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "foo"'
    assert refused.refusal == (400, "BadRequest", message)


def test_every_answer_says_what_time_it_is(api: Wire) -> None:
    """Claims age by it."""
    for path in ("services", "services/nothing", "/version", "/api/v1"):
        assert api.get(path).headers["Date"].endswith(" GMT")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_a_healthy_server_says_ok(api: Wire, path: str) -> None:
    """In plain text."""
    assert (api.get(path).status, api.get(path).text) == (200, "ok")


def test_the_version_is_one_that_clients_can_read(api: Wire) -> None:
    """Of the minor version that the contract is about."""
    body = api.get("/version").body
    assert (body["major"], body["minor"]) == ("1", "36")
    assert body["gitVersion"].startswith("v1.36.")


def test_resources_are_discovered(api: Wire) -> None:
    """With their short names, verbs and status."""
    rows = {row["name"]: row for row in api.get("/api/v1").body["resources"]}
    wanted = {
        "services": ("svc", "Service", True),
        "configmaps": ("cm", "ConfigMap", True),
        "nodes": ("no", "Node", False),
        "namespaces": ("ns", "Namespace", False),
        "events": ("ev", "Event", True),
    }
    for name, (short, kind, namespaced) in wanted.items():
        assert rows[name]["shortNames"] == [short]
        assert (rows[name]["kind"], rows[name]["namespaced"]) == (kind, namespaced)
        assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(rows[name]["verbs"])
    statuses = {name for name in rows if name.removesuffix("/status") in wanted and name.endswith("/status")}
    assert statuses == {"services/status", "nodes/status", "namespaces/status"}
