"""What schemathesis does not know of the API: see schemathesis.toml."""

import schemathesis
from schemathesis import GenerationMode

# Words of the parts behind the handlers, which no caller has a use for.
INTERNALS = ["dynamo", "bollard", "hyper", ".sock", "/var/", "oci runtime", "panicked"]


@schemathesis.hook
def filter_case(context, case):
    """Leaves out requests that are wrong in a way that OpenAPI has no words for.

    They are parameters that go together or exclude each other, and ports of which each may
    be there once. The unit tests of the parsers have them.
    """
    if _is_negative(case):
        return True
    query = case.query or {}
    operation = case.operation.label
    if operation == "GET /api/containers" and query.get("state") not in ("all", "ended"):
        return not {"limit", "cursor"} & query.keys()
    if operation == "GET /api/containers/{id}/logs" and query.get("cursor"):
        return not (query.get("tail") or query.get("since"))
    if operation == "POST /api/provision" and isinstance(case.body, dict):
        ports = [
            port["containerPort"] if isinstance(port, dict) else port
            for port in case.body.get("ports") or []
        ]
        return len(ports) == len(set(ports))
    return True


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
