"""What schemathesis does not know about the API: see schemathesis.toml."""

import json
from pathlib import Path

import schemathesis
from schemathesis import GenerationMode

CATALOGUE = Path(__file__).parents[1] / "images/catalogue.json"
IMAGES = {image["imageType"]: image for image in json.loads(CATALOGUE.read_text())["images"]}

# Words of internal parts, which no answer may contain.
INTERNALS = ["dynamo", "bollard", "hyper", ".sock", "/var/", "oci runtime", "panicked"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Corrects requests that break rules which the description cannot express.

    OpenAPI cannot express some: parameters that need or exclude each other, a repeated port, a URL
    outside the public Internet. Client generators do not understand others: bounds that depend on
    another field or a setting, a first item unlike the rest, classes of Unicode. Only requests
    that are meant to be valid are corrected; the parsers' unit tests cover the invalid ones.
    """
    if _is_negative(case):
        return
    query = case.query or {}
    operation = case.operation.label
    if operation == "GET /api/containers" and query.get("state") not in ("all", "ended"):
        _leave_out(query, "limit", "cursor")
    if operation == "GET /api/containers/{id}/logs" and query.get("cursor"):
        _leave_out(query, "tail", "since")
    body = case.body
    if isinstance(body, dict) and body.get("command"):
        body["command"][0] = body["command"][0] or "true"
    if isinstance(body, dict) and operation.endswith(("/api/provision", "/renew")):
        _mend_duration(body)
    if operation == "POST /api/provision" and isinstance(body, dict):
        _mend_provision(body)
    if operation == "POST /api/tokens" and isinstance(body, dict):
        _mend_token(body)


def _mend_duration(body):
    """A lease has either minutes or seconds, never both or neither."""
    if body.get("durationMinutes"):
        _leave_out(body, "durationSeconds")
    elif not body.get("durationSeconds"):
        body["durationMinutes"] = 5


def _mend_provision(body):
    if body.get("ports"):
        body["ports"] = list({_number(port): port for port in body["ports"]}.values())
    if body.get("password"):
        # The description says only in words which image types have one, and with what.
        body["password"] = None
    if body.get("name"):
        body["name"] = "".join(c if c in " ._-" or c.isalnum() else "x" for c in body["name"])
    if body.get("egress") not in (None, "none"):
        # Operators name the lists, and this server has none.
        body["egress"] = "open"
    image = IMAGES[body["imageType"]]
    for size in ("cpuMilli", "memoryMB", "diskMB"):
        if body.get(size):
            body[size] = min(body[size], image[size]["maximum"])
    if body.get("notifyUrl"):
        # A host name without an address: a run notifies nobody.
        body["notifyUrl"] = "https://receiver.invalid/hook"
    else:
        _leave_out(body, "warnSeconds", "notifySecret")
    if body.get("warnSeconds"):
        body["warnSeconds"] = min(body["warnSeconds"], _seconds(body) - 1)


def _mend_token(body):
    """Which scopes a token can have depends on its role."""
    if body.get("scopes"):
        body["role"] = "admin"
    if body.get("name"):
        body["name"] = "".join(c if c in " ._-" or c.isalnum() else "x" for c in body["name"])


def _seconds(body):
    return (body.get("durationMinutes") or 0) * 60 or body["durationSeconds"]


def _leave_out(parameters, *names):
    for name in names:
        parameters.pop(name, None)


def _number(port):
    return port["containerPort"] if isinstance(port, dict) else port


def _is_negative(case):
    parts = case.meta.components.values() if case.meta else []
    return any(part.mode is GenerationMode.NEGATIVE for part in parts)


@schemathesis.check
def problems_are_ours(context, response, case):
    """A problem names the same request as the header, must not be cached, and reveals nothing
    internal."""
    if response.status_code < 400 or case.operation.label == "GET /readyz":
        return
    problem = response.json()
    assert problem["status"] == response.status_code
    assert [problem["requestId"]] == response.headers["x-request-id"]
    assert response.headers["cache-control"] == ["no-store"]
    assert problem["detail"].endswith((".", "?", "!")), problem["detail"]
    assert problem["type"] in _problem_types(case.operation, response.status_code), problem
    said = f"{problem['title']} {problem['detail']}".lower()
    assert not [word for word in INTERNALS if word in said], said


def _problem_types(operation, status):
    """The problems with this status that the operation's description allows. It lists them beside
    the schema that all problems share."""
    if status == 405:
        return ["urn:containerlease:problem:method-not-allowed"]
    described = operation.definition.raw["responses"][str(status)]
    if "$ref" in described:
        name = described["$ref"].rsplit("/", 1)[1]
        described = operation.schema.raw_schema["components"]["responses"][name]
    return described["x-problem-types"]


@schemathesis.check
def what_has_ended_has_a_receipt(context, response, case):
    """A lease has a receipt if and only if it has ended."""
    if not response.headers.get("content-type", [""])[0].startswith("application/json"):
        return
    answer = response.json()
    leases = answer.get("containers", [answer] if "receipt" in answer else [])
    for lease in leases:
        has_ended = lease["state"] == "ended"
        assert (lease["receipt"] is not None) == has_ended, lease
        assert lease["createdAt"] <= lease["expiryTime"] <= lease["maximumExpiryTime"], lease
