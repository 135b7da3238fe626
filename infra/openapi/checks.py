"""What schemathesis does not know of the API: see schemathesis.toml."""

import json
from pathlib import Path

import schemathesis
from schemathesis import GenerationMode

CATALOGUE = Path(__file__).parents[1] / "images/catalogue.json"
IMAGES = {image["imageType"]: image for image in json.loads(CATALOGUE.read_text())["images"]}

# Words of the parts behind the handlers, which no caller has a use for.
INTERNALS = ["dynamo", "bollard", "hyper", ".sock", "/var/", "oci runtime", "panicked"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mends requests that are wrong in a way that the description has no words for.

    Either OpenAPI has none: parameters that need or exclude each other, a port twice, a URL that
    does not lead into the public internet. Or generators of clients do not understand them: bounds
    that depend on another field or a setting, a first item unlike the rest, classes of Unicode.
    Only those requests are mended that are meant to be right; the unit tests of the parsers have
    the wrong ones.
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


def _mend_duration(body):
    """A lease is for minutes or for seconds, never for both or for neither."""
    if body.get("durationMinutes"):
        _leave_out(body, "durationSeconds")
    elif not body.get("durationSeconds"):
        body["durationMinutes"] = 5


def _mend_provision(body):
    if body.get("ports"):
        body["ports"] = list({_number(port): port for port in body["ports"]}.values())
    if body.get("password"):
        # Which image types have one, and beside what, is said in words.
        body["password"] = None
    if body.get("name"):
        body["name"] = "".join(c if c in " ._-" or c.isalnum() else "x" for c in body["name"])
    if body.get("egress") not in (None, "none"):
        # Lists have the names that an operator gives them, and this server has no list.
        body["egress"] = "open"
    image = IMAGES[body["imageType"]]
    for size in ("cpuMilli", "memoryMB", "diskMB"):
        if body.get(size):
            body[size] = min(body[size], image[size]["maximum"])
    if body.get("notifyUrl"):
        # A name that has no address anywhere: nobody is told anything by a run of this.
        body["notifyUrl"] = "https://receiver.invalid/hook"
    else:
        _leave_out(body, "warnSeconds", "notifySecret")
    if body.get("warnSeconds"):
        body["warnSeconds"] = min(body["warnSeconds"], _seconds(body) - 1)


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
    """A problem names its request as the header does, is stored by nobody, and says nothing
    of what is behind."""
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
    """The problems that the operation may answer with this status: its description says them
    beside the one schema that all problems have."""
    if status == 405:
        return ["urn:containerlease:problem:method-not-allowed"]
    described = operation.definition.raw["responses"][str(status)]
    if "$ref" in described:
        name = described["$ref"].rsplit("/", 1)[1]
        described = operation.schema.raw_schema["components"]["responses"][name]
    return described["x-problem-types"]


@schemathesis.check
def what_has_ended_has_a_receipt(context, response, case):
    """A lease has a receipt when it has ended, and then only."""
    if not response.headers.get("content-type", [""])[0].startswith("application/json"):
        return
    answer = response.json()
    leases = answer.get("containers", [answer] if "receipt" in answer else [])
    for lease in leases:
        has_ended = lease["state"] == "ended"
        assert (lease["receipt"] is not None) == has_ended, lease
        assert lease["createdAt"] <= lease["expiryTime"] <= lease["maximumExpiryTime"], lease
