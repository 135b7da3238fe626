"""What schemathesis does not know of the API: see schemathesis.toml."""

import schemathesis
from schemathesis import GenerationMode

# Words of the parts behind the handlers, which no caller has a use for.
INTERNALS = ["dynamo", "bollard", "hyper", ".sock", "/var/", "oci runtime", "panicked"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mends requests that are wrong in a way that OpenAPI has no words for.

    They have parameters that need or exclude each other, a port twice, or a URL that does not
    lead into the public internet. Only those are
    mended that are meant to be right; the unit tests of the parsers have the wrong ones.
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
    if operation == "POST /api/provision" and isinstance(body, dict):
        _mend_provision(body)


def _mend_provision(body):
    if body.get("ports"):
        body["ports"] = list({_number(port): port for port in body["ports"]}.values())
    if body.get("notifyUrl"):
        # A name that has no address anywhere: nobody is told anything by a run of this.
        body["notifyUrl"] = "https://receiver.invalid/hook"
    else:
        _leave_out(body, "warnSeconds", "notifySecret")
    if body.get("warnSeconds"):
        body["warnSeconds"] = min(body["warnSeconds"], body["durationMinutes"] * 60 - 1)


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
    said = f"{problem['title']} {problem['detail']}".lower()
    assert not [word for word in INTERNALS if word in said], said


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
