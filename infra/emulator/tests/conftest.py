"""Shared parts of the tests of the deployed template: the stack, its API, and AWS behind it.

The tests drive emulator.sh's deployment from outside, as users and AWS would. The AWS settings,
and the docker command's, come from the environment; ``--stack FILE`` names the file with the
stack's outputs, one NAME=VALUE per line.

Some tests wait for a minute of the schedule or of the table's TTL. Their waits start before the
first test, and they run last.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parents[1]))

from stack import Stack

# A host name without an address, so that every webhook call to it fails.
NOTIFY = {"notifyUrl": "https://receiver.invalid/hook", "warnSeconds": 60}

LEASE_OF_NOBODY = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5d"


def pytest_addoption(parser):
    parser.addoption("--stack", required=True, help="the file with the stack's outputs")


def pytest_configure(config):
    config.addinivalue_line("markers", "waits(fixture): begins early and is looked at last")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("waits") is not None)


@pytest.fixture(scope="session", autouse=True)
def begun(request):
    for item in request.session.items:
        for marker in item.iter_markers("waits"):
            request.getfixturevalue(marker.args[0])


@pytest.fixture(scope="session")
def stack(request):
    lines = Path(request.config.getoption("--stack")).read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return Stack(outputs["Stack"], outputs)


@pytest.fixture(scope="session")
def api(stack):
    api = Api(stack["ApiUrl"])
    yield api
    for lease in api.get("/api/containers").body["containers"]:
        api.delete(lease["id"])


@pytest.fixture(autouse=True)
def nothing_left_to_others(api, stack):
    """Ends a test's leases, because all tests share one owner's limits.

    Removes their notifications too: no webhook can succeed here, and each run of cleanup would
    wait for the attempts due in its minute.
    """
    begin = len(api.leased)
    yield
    table = boto3.client("dynamodb")
    for lease in api.leased[begin:]:
        api.delete(lease["id"])
        if "notifySecret" not in lease:
            continue
        for event in ["lease.expiring", "lease.ended"]:
            key = {"pk": {"S": f"notify#{lease['id']}"}, "sk": {"S": event}}
            table.delete_item(TableName=stack["TableName"], Key=key)


# --- waits of a minute ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def short_leases(api):
    return [api.lease(minutes=1) for _ in range(3)]


@pytest.fixture(scope="session")
def orphan(stack, api):
    """A container of our deployment without a lease and past its deadline, and when it was
    made."""
    lease = api.lease()
    [container] = containers_of(lease["id"])
    [image] = docker("inspect", "--format={{.Config.Image}}", container)
    api.delete(lease["id"])
    labels = {
        "deployment": stack["Deployment"],
        "owner": "local",
        "lease": LEASE_OF_NOBODY,
        "hard-deadline": "2026-11-24T09:30:00.000Z",
    }
    flags = [f"--label=containerlease.{name}={value}" for name, value in labels.items()]
    [orphan] = docker("run", "--detach", *flags, image, "sleep", "600")
    yield orphan, time.monotonic()
    subprocess.run(["docker", "rm", "--force", orphan], capture_output=True)


@pytest.fixture(scope="session")
def purgeable(stack):
    """The key of a record whose TTL is over."""
    key = {"pk": {"S": "owner#purge"}, "sk": {"S": "lease#purge"}}
    item = {**key, "purgeAt": {"N": str(int(time.time()) - 60)}}
    boto3.client("dynamodb").put_item(TableName=stack["TableName"], Item=item)
    return key


# For test_ends.py. Imported late, because they import from here.


@pytest.fixture(scope="session")
def by_the_queue(stack):
    from scenarios import scenario

    yield from scenario(stack, "queue", tick=False, queue=True)


@pytest.fixture(scope="session")
def by_the_tick(stack):
    from scenarios import scenario

    yield from scenario(stack, "tick", tick=True, queue=False)


@pytest.fixture(scope="session")
def by_both(stack):
    from scenarios import scenario

    yield from scenario(stack, "both", tick=True, queue=True)


@pytest.fixture(scope="session")
def with_late_ticks(stack):
    from scenarios import lose_messages_and_tick, scenario

    yield from scenario(stack, "late", tick=False, queue=True, begin=lose_messages_and_tick)


# --- the HTTP API -----------------------------------------------------------------------------


class Answer:
    """The status, the headers, the parsed body, and the duration in milliseconds."""

    def __init__(self, status, headers, text, took):
        self.status = status
        self.headers = headers
        self.took = took
        try:
            self.body = json.loads(text)
        except ValueError:
            self.body = {"text": text.decode(errors="replace")}

    def __repr__(self):
        return f"{self.status}: {self.body}"

    @property
    def problem(self):
        return self.body["type"].removeprefix("urn:containerlease:problem:")


class Api:
    def __init__(self, url):
        self.url = url
        self.leased = []

    def call(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        request.add_header("content-type", "application/json")
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=35) as answer:
                status, headers, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, text = error.code, error.headers, error.read()
        return Answer(status, headers, text, (time.monotonic() - began) * 1000)

    def get(self, path):
        return self.call("GET", path)

    def lease(self, minutes=10, **more):
        """A new lease of an alpine."""
        body = {"imageType": "alpine", "durationMinutes": minutes, **more}
        answer = self.call("POST", "/api/provision", body)
        assert answer.status == 201, answer
        self.leased.append(answer.body)
        return answer.body

    def renew(self, lease_id, minutes):
        return self.call("POST", f"/api/containers/{lease_id}/renew", {"durationMinutes": minutes})

    def delete(self, lease_id):
        return self.call("DELETE", f"/api/containers/{lease_id}")

    def lease_of(self, lease_id):
        return self.get(f"/api/containers/{lease_id}").body


# --- the parts behind it ----------------------------------------------------------------------


def docker(*arguments):
    """The docker command's output, as a list of words."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.split()


def containers_of(lease_id):
    return docker("ps", "--all", "--quiet", f"--filter=label=containerlease.lease={lease_id}")


def kept_log_of(stack, lease_id):
    """The table's copy of an ended lease's log, or none."""
    key = {"pk": {"S": f"log#{lease_id}"}, "sk": {"S": "log"}}
    table = boto3.client("dynamodb")
    return table.get_item(TableName=stack["TableName"], Key=key, ConsistentRead=True).get("Item")


def wait_until(seconds, what, happened):
    """Waits until ``happened`` returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = happened()
        if result:
            return result
        time.sleep(0.5)
    raise AssertionError(f"{what} has not happened within {seconds} s")


def invoke(stack, function, event):
    """Invokes a function and waits for its result, or for its error under ``errorType``."""
    name = stack.resource(f"{function}Function")
    # A run of cleanup lasts as long as notifications are due in its minute.
    patience = Config(read_timeout=130, retries={"total_max_attempts": 1})
    functions = boto3.client("lambda", config=patience)
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def invoke_and_go_on(stack, function, event):
    """Invokes a function and does not wait for it."""
    name = stack.resource(f"{function}Function")
    payload = json.dumps(event)
    boto3.client("lambda").invoke(FunctionName=name, Payload=payload, InvocationType="Event")


def log_of(stack, function):
    """The lines of a function's log, oldest first."""
    group = stack.resource(f"{function}Log")
    found = boto3.client("logs").filter_log_events(logGroupName=group, limit=10_000)
    return [event["message"].rstrip("\n") for event in found["events"]]


def assert_writes_its_log(stack, function, line):
    """The function's log has a line with this text, so its role may write it."""
    wait_until(
        10,
        f"a line with {line!r} in the log of {function}",
        lambda: [said for said in log_of(stack, function) if line in said],
    )


def assert_sends(stack, function, lease, queue, send):
    """Checks that ``send`` makes the function send a message about the lease to a queue."""
    before = held_back(stack, queue)
    send()
    wait_until(5, f"a message in {queue}", lambda: held_back(stack, queue) > before)
    refused = [line for line in log_of(stack, function) if "could not be sent" in line]
    assert not [line for line in refused if lease["id"] in line], refused


def held_back(stack, queue):
    """The number of messages in a queue, including those not visible yet."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    found = boto3.client("sqs").get_queue_attributes(
        QueueUrl=stack[f"{queue}Url"], AttributeNames=names
    )
    return sum(int(count) for count in found["Attributes"].values())


def send(stack, queue, lease, due_at):
    """Sends the message that something of the lease is due, without a delay."""
    body = {"owner": "local", "leaseId": lease["id"], "dueAt": due_at}
    boto3.client("sqs").send_message(QueueUrl=stack[f"{queue}Url"], MessageBody=json.dumps(body))


def set_tick(stack, on):
    """Enables or disables the schedule of the reaper."""
    scheduler = boto3.client("scheduler")
    name = stack.resource("CleanupFunctionEachMinute").rsplit("/", 1)[-1]
    schedule = scheduler.get_schedule(Name=name)
    names = ["ScheduleExpression", "FlexibleTimeWindow", "Target", "Description"]
    settings = {one: schedule[one] for one in names}
    scheduler.update_schedule(Name=name, State="ENABLED" if on else "DISABLED", **settings)


def set_queue(stack, on):
    """Enables or disables the queue of ends as a source of its function."""
    mapping = stack.resource("EndFunctionDue")
    boto3.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=on)


@pytest.fixture
def no_tick(stack):
    """Disables the schedule, so that only queues act."""
    set_tick(stack, False)
    yield
    set_tick(stack, True)


@contextmanager
def told(stack, function, **variables):
    """Changes a function's settings, as another deploy would."""
    functions = boto3.client("lambda")
    name = stack.resource(f"{function}Function")
    was = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def tell(variables):
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    tell({**was, **variables})
    try:
        yield
    finally:
        tell(was)


def failures_of(stack, function):
    """Takes a function's failed invocations out of the queue of failures."""
    queue = boto3.client("sqs")
    name = stack.resource(f"{function}Function")
    found = queue.receive_message(QueueUrl=stack["FailuresQueueUrl"], MaxNumberOfMessages=10)
    mine = []
    for message in found.get("Messages", []):
        queue.delete_message(
            QueueUrl=stack["FailuresQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
        )
        if name in message["Body"]:
            mine.append(message["Body"])
    return mine


def assert_failure_arrives(stack, function, event, name_of_it):
    """Checks that a failed asynchronous invocation arrives in the queue of failures, by name."""
    name = stack.resource(f"{function}Function")
    boto3.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event)
    )
    wait_until(
        10,
        f"{name_of_it} in the failures of {function}",
        lambda: any(name_of_it in failure for failure in failures_of(stack, function)),
    )
