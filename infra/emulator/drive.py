"""Drives what emulator.sh has deployed, from outside, as users and AWS would.

usage: drive.py OUTPUTS

OUTPUTS is the file with the stack's outputs, one NAME=VALUE a line; the AWS settings, and the
docker command's, come from the environment. Each check prints a line with what it has measured; the first that fails ends it.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import websockets

STACK = "containerlease"
COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.25; done"]

# Longer than three relays as emulator.sh deploys them.
LISTEN_SECONDS = 22
# A tick comes each minute; its run and the emulator's own delay come on top.
SCHEDULE_SECONDS = 150
TTL_SECONDS = 180


class Failed(Exception):
    """A check has seen something else than it must."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def passed(what, figures=""):
    print(f"ok  {what}{f' ({figures})' if figures else ''}", flush=True)


# --- the HTTP API -----------------------------------------------------------------------------


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None):
        """Status, parsed answer and milliseconds of a request."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("content-type", "application/json")
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=35) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        took = (time.monotonic() - began) * 1000
        try:
            return status, json.loads(text), took
        except ValueError:
            return status, {"text": text.decode(errors="replace")}, took

    def get(self, path):
        return self.call("GET", path)

    def lease(self, minutes, **more):
        body = {"imageType": "alpine", "durationMinutes": minutes, **more}
        status, lease, took = self.call("POST", "/api/provision", body)
        expect(status == 201, f"provision answered {status}: {lease}")
        return lease, took

    def delete(self, lease_id):
        return self.call("DELETE", f"/api/containers/{lease_id}")


def check_reads(api):
    for path in ("/healthz", "/readyz", "/api/images", "/api/containers"):
        status, answer, _ = api.get(path)
        expect(status == 200, f"{path} answered {status}: {answer}")
    took = sorted(api.get("/api/containers")[2] for _ in range(20))
    passed("every route that reads answers", f"list takes {took[10]:.0f} ms, median of 20")


def check_errors(api):
    status, answer, _ = api.get("/api/containers/not-an-id")
    expect(status == 400 and answer["type"].endswith("invalid-lease-id"), f"{status}: {answer}")
    status, answer, _ = api.call("POST", "/api/provision", {"imageType": "no-such"})
    expect(status in (400, 422) and "type" in answer, f"{status}: {answer}")
    status, _, _ = api.get("/no/such/path")
    expect(status == 404, f"an unknown path answered {status}")
    passed("what cannot be done is answered with a problem")


def check_life(api):
    lease, provisioned = api.lease(10)
    path = f"/api/containers/{lease['id']}"
    status, listed, _ = api.get("/api/containers")
    expect(lease["id"] in [one["id"] for one in listed["containers"]], "it is not in the list")
    status, renewed, _ = api.call("POST", f"{path}/renew", {"durationMinutes": 30})
    expect(status == 200, f"renew answered {status}: {renewed}")
    expect(renewed["expiryTime"] > lease["expiryTime"], "renew gave no later end")
    status, deleted, gone = api.delete(lease["id"])
    expect(status == 200 and deleted["success"], f"delete answered {status}: {deleted}")
    status, ended, _ = api.get(path)
    expect(ended["state"] == "ended" and ended["receipt"]["reason"] == "deleted", f"{ended}")
    passed(
        "a lease is provisioned, listed, renewed, deleted",
        f"provision {provisioned:.0f} ms, delete {gone:.0f} ms",
    )


# --- logs -------------------------------------------------------------------------------------


async def next_object(socket, waiting, seconds=10):
    """The next JSON object; a frame may hold several, one a line."""
    while not waiting:
        waiting.extend((await asyncio.wait_for(socket.recv(), seconds)).splitlines())
    return json.loads(waiting.pop(0))


async def listen(api, url):
    lease, _ = api.lease(10, command=COUNTING)
    numbers, waiting, pongs = [], [], 0
    began = time.monotonic()
    async with websockets.connect(f"{url}?containerId={lease['id']}", proxy=None) as socket:
        first = None
        await socket.send("ping")
        while time.monotonic() - began < LISTEN_SECONDS:
            entry = await next_object(socket, waiting)
            if entry.get("event") == "pong":
                pongs += 1
            if "event" not in entry:
                first = first or (time.monotonic() - began) * 1000
                expect({"timestamp", "level", "message", "cursor"} <= entry.keys(), f"{entry}")
                numbers.append(int(entry["message"].removeprefix("line ")))
        expect(numbers == list(range(1, len(numbers) + 1)), f"lines are lost or doubled: {numbers}")
        expect(pongs == 1, f"a ping was answered {pongs} times")
        status, _, _ = await asyncio.to_thread(api.delete, lease["id"])
        expect(status == 200, f"delete answered {status}")
        last = {}
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                last = await next_object(socket, waiting)
        expect(last.get("event") == "ended" and last.get("reason") == "deleted", f"{last}")
    passed(
        "a viewer has every line once, over several relays, and is told the end",
        f"first line after {first:.0f} ms, {len(numbers)} lines in {LISTEN_SECONDS} s",
    )


async def listen_again(api, url):
    """Viewers who come to a warm function: its relay has lines before ``$connect`` is over."""
    lease, _ = api.lease(10)
    waits = []
    for _ in range(5):
        began = time.monotonic()
        async with websockets.connect(f"{url}?containerId={lease['id']}", proxy=None) as socket:
            try:
                await next_object(socket, [], 5)
            except TimeoutError:
                raise Failed("a viewer was connected and heard nothing") from None
        waits.append((time.monotonic() - began) * 1000)
    await asyncio.to_thread(api.delete, lease["id"])
    passed("viewers of a warm function hear it at once", f"{max(waits):.0f} ms at most, of 5")


async def is_refused(url, container_id):
    try:
        async with websockets.connect(f"{url}?containerId={container_id}", proxy=None):
            return False
    except websockets.InvalidStatus:
        return True


def check_logs(api, url):
    asyncio.run(listen(api, url))
    asyncio.run(listen_again(api, url))
    nobodys = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
    for container_id in (nobodys, "not-an-id", ""):
        expect(asyncio.run(is_refused(url, container_id)), f"{container_id!r} was connected")
    passed("a connection for no lease is refused")


# --- the schedule and the table's TTL, which take their minutes -------------------------------


def wait_until(seconds, what, happened):
    """Waits for ``happened`` to answer something true, and answers that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = happened()
        if result:
            return result
        time.sleep(1)
    raise Failed(f"{what} has not happened within {seconds} s")


def check_schedule(api, leases):
    def ended():
        found = [api.get(f"/api/containers/{lease['id']}")[1] for lease in leases]
        return all(lease["state"] == "ended" for lease in found) and found

    late = []
    for lease in wait_until(SCHEDULE_SECONDS, "the end by the schedule", ended):
        receipt = lease["receipt"]
        expect(receipt["reason"] == "expired", f"{receipt}")
        expect(receipt["overshootMs"] >= 0, f"a lease was ended early: {receipt}")
        late.append(receipt["overshootMs"])
    passed("the emulated schedule has ended leases", f"{sorted(late)} ms after their time")


def check_ttl(table, began):
    key = {"pk": {"S": "owner#purge"}, "sk": {"S": "lease#purge"}}
    dynamodb = boto3.client("dynamodb")
    wait_until(
        TTL_SECONDS,
        "the purge by TTL",
        lambda: "Item" not in dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True),
    )
    passed("the table's TTL has purged a record", f"after {time.monotonic() - began:.0f} s")


def put_purgeable(table):
    item = {
        "pk": {"S": "owner#purge"},
        "sk": {"S": "lease#purge"},
        "purgeAt": {"N": str(int(time.time()) - 60)},
    }
    boto3.client("dynamodb").put_item(TableName=table, Item=item)
    return time.monotonic()


# --- permissions ------------------------------------------------------------------------------


# A policy without any statement is none; this one allows nothing that is asked.
NOTHING = {"Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}


class Role:
    """A function's role, from which statements can be taken for a while."""

    def __init__(self, logical_id):
        stack = boto3.client("cloudformation")
        found = stack.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        self.name = found["StackResourceDetail"]["PhysicalResourceId"]
        self.iam = boto3.client("iam")
        self.policies = {
            policy: self.iam.get_role_policy(RoleName=self.name, PolicyName=policy)[
                "PolicyDocument"
            ]["Statement"]
            for policy in self.iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        }
        self.changes = {}

    @contextlib.contextmanager
    def changed(self, sid, change):
        """While it lasts, the statement ``sid`` is what ``change`` makes of it, or gone."""
        sids = [one["Sid"] for statements in self.policies.values() for one in statements]
        expect(sid in sids, f"{self.name} has no statement {sid}")
        self.changes[sid] = change
        self.write()
        try:
            yield
        finally:
            del self.changes[sid]
            self.write()

    def write(self):
        for policy, statements in self.policies.items():
            now = [
                self.changes[one["Sid"]](one) if one["Sid"] in self.changes else one
                for one in statements
            ]
            document = {"Version": "2012-10-17", "Statement": [one for one in now if one]}
            document["Statement"] = document["Statement"] or [NOTHING]
            self.iam.put_role_policy(
                RoleName=self.name, PolicyName=policy, PolicyDocument=json.dumps(document)
            )


def without(_statement):
    return None


def for_other_keys(statement):
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "somebody-else"}}
    return {**statement, "Condition": condition}


def posts_only(statement):
    return {**statement, "Resource": [one for one in statement["Resource"] if "/POST/" in one]}


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    expect(done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout.split()


def reap(outputs):
    """Runs the cleanup function now; its report, or none where it fails."""
    answer = boto3.client("lambda").invoke(FunctionName=outputs["CleanupFunctionName"])
    return None if "FunctionError" in answer else json.load(answer["Payload"])


class Orphan:
    """A container of our deployment whose lease nobody has written."""

    def __init__(self, image, deployment):
        lease = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5d"
        labels = {"deployment": deployment, "owner": "local", "lease": lease}
        flags = [f"--label=containerlease.{name}={value}" for name, value in labels.items()]
        [self.container] = docker("run", "--detach", *flags, image, "sleep", "600")
        self.made = time.monotonic()

    def is_there(self):
        return bool(docker("ps", "--quiet", "--no-trunc", f"--filter=id={self.container}"))

    def is_noted(self, table):
        keys = {":pk": {"S": "reaper"}}
        found = boto3.client("dynamodb").query(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=keys
        )
        return any(self.container in item["sk"]["S"] for item in found["Items"])


def check_orphans(outputs, role, orphan, unnoted):
    """Sees that the reaper needs each permission that it has for containers without a lease.
    The schedule's own runs have the same role and can only do what this does itself."""
    table = outputs["TableName"]
    # The reaper leaves a container alone for its first minute.
    time.sleep(max(0, orphan.made + 63 - time.monotonic()))
    reap(outputs)
    expect(not orphan.is_noted(table), "a sighting was noted without the permission")
    with role.changed("SeeWhetherAContainerHasALease", without):
        unnoted.close()
        reap(outputs)
        expect(orphan.is_noted(table), "a sighting was not noted")
        time.sleep(1.5)
        reap(outputs)
        expect(orphan.is_there(), "an orphan was removed without a look at the table")
        forgetting = contextlib.ExitStack()
        forgetting.enter_context(role.changed("ForgetASighting", without))
    with forgetting:
        reap(outputs)
        expect(not orphan.is_there(), "an orphan was not removed")
        expect(orphan.is_noted(table), "a sighting was forgotten without the permission")
    reap(outputs)
    expect(not orphan.is_noted(table), "a sighting was not forgotten")
    passed("a container without a lease is removed, by a reaper with all its permissions alone")


def check_lost(api, outputs, role):
    """The same for its permission to change leases, with one whose container has vanished."""
    lease, _ = api.lease(10)
    path = f"/api/containers/{lease['id']}"
    docker("rm", "--force", *docker("ps", "-q", f"--filter=label=containerlease.lease={lease['id']}"))
    with role.changed("ChangeALeaseAndTheQuota", without):
        reap(outputs)
        expect(api.get(path)[1]["state"] == "running", "a lease was ended without the permission")
    reap(outputs)
    receipt = api.get(path)[1]["receipt"]
    expect(receipt and receipt["reason"] == "lost", f"the lease was not ended as lost: {receipt}")
    passed("a lease whose container has vanished is ended as lost")


def check_permissions(api, outputs):
    """Takes each permission away that shows at once, and sees that what needs it fails."""
    lease, _ = api.lease(10)
    path = f"/api/containers/{lease['id']}"
    url = outputs["LogsUrl"]

    def answers(method, path, body=None):
        return lambda: api.call(method, path, body)[0] < 400

    def provisions():
        status, made, _ = api.call(
            "POST", "/api/provision", {"imageType": "alpine", "durationMinutes": 1}
        )
        if status == 201:
            api.delete(made["id"])
        return status == 201

    def renews():
        renews.minutes += 1
        return answers("POST", f"{path}/renew", {"durationMinutes": renews.minutes})()

    renews.minutes = 10

    def deletes():
        made, _ = api.lease(10)
        done = api.delete(made["id"])[0] == 200
        if not done:
            undeleted.append(made["id"])
        return done

    def cleans():
        return reap(outputs) is not None

    def connects():
        return not asyncio.run(is_refused(url, lease["id"]))

    async def hears():
        async with websockets.connect(f"{url}?containerId={lease['id']}", proxy=None) as socket:
            with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
                await next_object(socket, [], 3)
                return True
        return False

    async def is_told_and_closed():
        made, _ = api.lease(10)
        async with websockets.connect(f"{url}?containerId={made['id']}", proxy=None) as socket:
            await next_object(socket, [])
            await asyncio.to_thread(api.delete, made["id"])
            try:
                while True:
                    await next_object(socket, [], 3)
            except websockets.ConnectionClosed:
                return True
            except TimeoutError:
                return False

    undeleted = []
    cases = [
        ("ProvisionRole", "WriteALease", without, provisions),
        ("ProvisionRole", "ChangeALeaseAndTheQuota", without, provisions),
        ("ListRole", "ListAnOwnersLeases", without, answers("GET", "/api/containers")),
        ("ListRole", "ReadALease", without, answers("GET", path)),
        ("ListRole", "SeeThatTheTableAnswers", without, answers("GET", "/readyz")),
        ("RenewRole", "ReadALease", without, renews),
        ("RenewRole", "ChangeALease", without, renews),
        ("RenewRole", "ChangeALease", for_other_keys, renews),
        ("DeleteRole", "ReadALease", without, deletes),
        ("DeleteRole", "ChangeALeaseAndTheQuota", without, deletes),
        ("CleanupRole", "ReadTheSightings", without, cleans),
        ("CleanupRole", "ReadTheSightings", for_other_keys, cleans),
        ("CleanupRole", "ReadTheLeasesThatHaveNotEnded", without, cleans),
        ("LogsRole", "ReadALease", without, connects),
        ("LogsRole", "StartARelay", without, connects),
        ("LogsRole", "PostToViewers", without, lambda: asyncio.run(hears())),
        (
            "LogsRole",
            "PostToViewers",
            posts_only,
            lambda: asyncio.run(is_told_and_closed()),
        ),
    ]
    for role, sid, change, works in cases:
        with Role(role).changed(sid, change):
            expect(not works(), f"{role} can do without {sid}")
        expect(works(), f"{role} fails with {sid} too")
    for lease_id in [lease["id"], *undeleted]:
        expect(api.delete(lease_id)[0] == 200, f"{lease_id} was not deleted")
    passed("what a policy does not allow is denied", f"{len(cases)} permissions taken away")


# --- all of it --------------------------------------------------------------------------------


def main(outputs_file):
    outputs = dict(line.split("=", 1) for line in Path(outputs_file).read_text().splitlines())
    api = Api(outputs["ApiUrl"])
    failures = []

    def meanwhile(check, *arguments):
        def run():
            try:
                check(*arguments)
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    check_reads(api)
    leases = [api.lease(1)[0] for _ in range(3)]
    reaper = Role("CleanupRole")
    # From the beginning, so that no tick finds the orphan before its permissions are tried.
    unnoted = contextlib.ExitStack()
    unnoted.enter_context(reaper.changed("NoteASighting", without))
    orphan = Orphan(leases[0]["image"], outputs["Deployment"])
    minutes = [
        meanwhile(check_schedule, api, leases),
        meanwhile(check_ttl, outputs["TableName"], put_purgeable(outputs["TableName"])),
    ]
    try:
        check_errors(api)
        check_life(api)
        check_logs(api, outputs["LogsUrl"])
    finally:
        for thread in minutes:
            thread.join()
    if failures:
        raise failures[0]
    # Last, for the schedule must not meet a reaper that may not work.
    check_orphans(outputs, reaper, orphan, unnoted)
    check_lost(api, outputs, reaper)
    check_permissions(api, outputs)
    passed(f"all of it, at {os.environ['AWS_ENDPOINT_URL']}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Failed as error:
        sys.exit(f"FAILED: {error}")
