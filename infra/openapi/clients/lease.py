"""A whole lease through a Python client from openapi-python-client: see clients.sh.

usage: lease.py URL
"""

import sys
import uuid
from datetime import UTC, datetime, timedelta

import httpx
from client import Client
from client.api.inside import exec_in_container, get_log, get_stats
from client.api.leases import (
    delete_container,
    get_container,
    list_containers,
    provision,
    renew_container,
)
from client.api.service import get_description, get_health, get_readiness, list_images
from client.models import (
    Exec,
    ListContainersImageType,
    ListContainersState,
    LogLevel,
    PortAskedType1,
    Problem,
    ProblemType,
    Provision,
    ProvisionEnvType0,
    ProvisionImageType,
    ProvisionLabelsType0,
    ProvisionPresetType0,
    Reason,
    Renew,
    Resource,
    State,
)

NO_LEASE = uuid.UUID("0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c")
SCRIPT = "for n in 1 2 3 4 5; do echo line $n; done; echo ERROR $GREETING; exec sleep 300"


def asked(**more):
    labels = ProvisionLabelsType0.from_dict({"client": "python"})
    return Provision(
        image_type=ProvisionImageType.ALPINE, duration_minutes=2, labels=labels, **more
    )


def expect(holds, what, seen=None):
    """Ends the run unless the condition holds."""
    if not holds:
        sys.exit(f"lease.py: {what}: {seen}")
    print(f"    python: {what}")


def expect_problem(response, status, kind, what):
    """The answered problem, as the client's own type."""
    problem = response.parsed
    is_it = isinstance(problem, Problem) and problem.type_ == kind
    is_it = is_it and problem.status == response.status_code == status and problem.detail
    expect(is_it, what, response)
    return problem


def lease(client):
    images = list_images.sync(client=client)
    types = [image.image_type for image in images.images]
    expect("alpine" in types and images.duration_minutes.maximum > 2, "the catalogue", images)

    key = str(uuid.uuid4())
    whole = asked(
        name="läuft im Test",
        preset=ProvisionPresetType0.SMALL,
        env=ProvisionEnvType0.from_dict({"GREETING": "grüezi"}),
        command=["sh", "-c", SCRIPT],
        ports=[8080, PortAskedType1(container_port=9000, scheme="http")],
    )
    made = provision.sync_detailed(client=client, body=whole, idempotency_key=key)
    leased = made.parsed
    expect(made.status_code == 201 and leased.state == State.RUNNING, "a provision", made)
    expect(leased.expiry_time - leased.created_at == timedelta(minutes=2), "its times", leased)
    expect(leased.name == whole.name and len(leased.ports) == 2, "its fields", leased)
    expect(made.headers["Location"] == f"/api/containers/{leased.id}", "its location", made)
    again = provision.sync(client=client, body=whole, idempotency_key=key)
    expect(again.id == leased.id, "the same under the same key", again)

    plain = list_containers.sync(client=client)
    expect(leased.id in [it.id for it in plain.containers], "a plain list", plain)
    some = list_containers.sync(
        client=client,
        state=ListContainersState.RUNNING,
        image_type=ListContainersImageType.ALPINE,
        label=["client:python", "client"],
    )
    expect([it.id for it in some.containers] == [leased.id], "a list with filters", some)
    one = get_container.sync(leased.id, client=client)
    expect(one.labels.to_dict() == {"client": "python"}, "one lease", one)
    renewed = renew_container.sync(leased.id, client=client, body=Renew(duration_minutes=5))
    expect(renewed.expiry_time > leased.expiry_time, "a renewal", renewed)
    expect(renewed.granted.added_seconds >= 179, "what it has granted", renewed)

    body = Exec(command=["sh", "-c", "cat; exit 3"], stdin="grüezi\n")
    done = exec_in_container.sync(leased.id, client=client, body=body)
    expect((done.exit_code, done.stdout) == (3, "grüezi\n"), "a command", done)
    stats = get_stats.sync(leased.id, client=client)
    expect(stats.memory.used_bytes > 0 and stats.processes.count > 0, "what it uses", stats)

    lines = log_lines(client, leased.id)
    expect(lines == [*(f"line {n}" for n in range(1, 6)), "ERROR grüezi"], "its log", lines)
    bad = get_log.sync(leased.id, client=client, level=LogLevel.ERROR, since=leased.created_at)
    expect([entry.message for entry in bad.entries] == ["ERROR grüezi"], "its errors", bad)
    last = get_log.sync(leased.id, client=client, tail="1", since="5m", search="LINE")
    expect(not last.entries, "a search in its last line", last)

    refusals(client, leased, key)

    ended = delete_container.sync_detailed(leased.id, client=client)
    expect(ended.status_code == 200 and ended.parsed.state == State.ENDED, "a delete", ended)
    after = get_container.sync(leased.id, client=client)
    expect(after.receipt.reason == Reason.DELETED, "its receipt", after)
    expect(after.receipt.removed_at <= datetime.now(UTC), "when it was removed", after)
    expect(log_lines(client, leased.id) == lines, "its log after its end", lines)
    over = renew_container.sync_detailed(leased.id, client=client, body=Renew(duration_minutes=5))
    expect_problem(over, 409, ProblemType.LEASE_OVER, "409 for what is over")
    history(client, leased.id)

    expect(get_health.sync(client=client).status == "ok", "health")
    expect(get_readiness.sync(client=client).status == "ready", "readiness")
    described = get_description.sync(client=client)
    expect(described["openapi"].startswith("3."), "the description")


def log_lines(client, lease_id):
    """The lines of a log, two at a time."""
    page = get_log.sync(lease_id, client=client, limit=2)
    lines = [entry.message for entry in page.entries]
    while page.more:
        page = get_log.sync(lease_id, client=client, cursor=page.cursor, limit=2)
        lines += [entry.message for entry in page.entries]
    return lines


def history(client, lease_id):
    """Two leases have ended; each is a page."""
    seen, cursor = [], {}
    while True:
        page = list_containers.sync(
            client=client,
            state=ListContainersState.ENDED,
            label=["client:python"],
            limit=1,
            **cursor,
        )
        seen += [it.id for it in page.containers]
        if page.cursor is None:
            break
        cursor = {"cursor": page.cursor}
    expect(len(seen) == 2 and seen[1] == lease_id, "the history, page by page", seen)


def refusals(client, leased, key):
    """Every error has the client's own type, with all fields."""
    wrong = asked(cpu_milli=1, memory_mb=1)
    problem = expect_problem(
        provision.sync_detailed(client=client, body=wrong),
        400,
        ProblemType.INVALID_REQUEST,
        "400 for wrong fields",
    )
    fields = sorted(fault.field for fault in problem.errors)
    expect(fields == ["cpuMilli", "memoryMB"], "which fields are wrong", problem)
    wrong = list_containers.sync_detailed(client=client, limit=5)
    problem = expect_problem(wrong, 400, ProblemType.INVALID_QUERY, "400 for a wrong query")
    expect([fault.field for fault in problem.errors] == ["limit"], "which parameter", problem)
    none = get_container.sync_detailed(NO_LEASE, client=client)
    problem = expect_problem(none, 404, ProblemType.LEASE_NOT_FOUND, "404 for no lease")
    expect(problem.request_id == none.headers["X-Request-Id"], "the request's id", none)
    other = provision.sync_detailed(client=client, body=asked(), idempotency_key=key)
    expect_problem(other, 409, ProblemType.IDEMPOTENCY_CONFLICT, "409 for a key used twice")
    body = Exec(command=["there-is-no-such-program"])
    cannot = exec_in_container.sync_detailed(leased.id, client=client, body=body)
    expect_problem(cannot, 422, ProblemType.CANNOT_RUN, "422 for no such program")

    second = provision.sync(client=client, body=asked())
    full = provision.sync_detailed(client=client, body=asked())
    problem = expect_problem(full, 429, ProblemType.QUOTA_REACHED, "429 for the third lease")
    expect(problem.full == [Resource.LEASES], "of what there is no more", problem)
    expect(problem.frees_up_at == second.expiry_time, "until when", problem)
    expect(int(full.headers["Retry-After"]) > 60, "when to try again", full.headers)
    gone = delete_container.sync(second.id, client=client)
    expect(gone.success, "the second lease is deleted", gone)


# A command may take 25 s.
lease(Client(base_url=sys.argv[1], timeout=httpx.Timeout(40)))
print("1 passed, 0 failed")
