"""Invokes each function with its saved events as ``sam local invoke`` runs them, then all HTTP
routes as ``sam local start-api`` serves them, and checks what they answer.

usage: drive.py FOLDER DEPLOYMENT

FOLDER is where local.sh keeps its state; the engine and sam come from the environment. Each check
prints a line. The last line is the count; the exit code is 1 when a check has failed.
"""

import json
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
EVENTS = REPOSITORY / "functions/events"

# What the saved events say where a test puts something of its own.
LEASE = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
CONNECTION = "CHm3acPwliACFYg="

INVOKE_SECONDS = 150
REQUEST_SECONDS = 35
FRAMES_SECONDS = 30
START_SECONDS = 90
STOP_SECONDS = 30
LATE_MS = 10_000
# A relay hands over 5 s before its time is over.
SHORT_RELAY_SECONDS = 8


class Failed(Exception):
    """A check has seen something else than it must."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def parsed_time(text):
    return datetime.fromisoformat(text)


def wait_until(seconds, what, happened):
    """Waits for ``happened`` to answer something true, and answers that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = happened()
        if result:
            return result
        time.sleep(0.2)
    raise Failed(f"{what} has not happened within {seconds} s")


class Checks:
    """Runs checks and counts them; one that fails does not keep the others from running."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, check):
        try:
            figures = check()
        except Exception as error:
            self.failed += 1
            print(f"FAILED  {what}: {type(error).__name__}: {error}", flush=True)
        else:
            self.passed += 1
            print(f"ok  {what}{f' ({figures})' if figures else ''}", flush=True)


# --- what runs on the engine --------------------------------------------------------------------


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    expect(done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def container_of(lease_id, deployment, *flags):
    labels = {"lease": lease_id, "deployment": deployment}
    filters = [f"--filter=label=containerlease.{name}={value}" for name, value in labels.items()]
    return docker("ps", "--quiet", *flags, *filters).split()


# --- sam local invoke ---------------------------------------------------------------------------


class Answer:
    """What an invocation has printed: its answer, and how long it took inside the container."""

    def __init__(self, out, log):
        try:
            self.value = json.loads(out)
        except ValueError:
            raise Failed(f"no answer but {out!r}; {log[-1500:]}") from None
        expect("errorType" not in self.value, f"it has failed: {self.value}; {log[-1500:]}")
        took = re.search(r"\tDuration: ([\d.]+) ms", log)
        self.took = f"{float(took[1]):.0f} ms" if took else ""

    def body(self, status):
        """The body of an HTTP answer, which must have ``status``."""
        expect(self.value.get("statusCode") == status, f"not {status}: {self.value}")
        return json.loads(self.value["body"])


# The saved events that were sent.
sent = set()


def invoke(function, event, *flags, **replaced):
    """Invokes ``function`` with a saved event, in which each text of ``replaced`` has another.
    The exit code of sam says nothing of the function, so that its answer is read."""
    text = (EVENTS / f"{event}.json").read_text()
    sent.add(event)
    for old, new in [
        (LEASE, replaced.get("lease", LEASE)),
        (CONNECTION, replaced.get("connection", CONNECTION)),
        (r"\"durationMinutes\":5", rf"\"durationMinutes\":{replaced.get('minutes', 5)}"),
    ]:
        text = text.replace(old, new)
    done = subprocess.run(
        ["sam", "local", "invoke", function, "--event", "-", *flags],
        cwd=REPOSITORY,
        input=text,
        capture_output=True,
        text=True,
        timeout=INVOKE_SECONDS,
    )
    return Answer(done.stdout, done.stderr)


class Invocations:
    """One life of leases, each step an invocation."""

    def __init__(self, folder, deployment):
        self.folder, self.deployment = folder, deployment
        self.ubuntu = self.redis = self.other = None
        # What viewers of an earlier run have got is there still.
        run = secrets.token_hex(4)
        self.redis_viewer, self.other_viewer = f"{run}-redis", f"{run}-other"
        self.pinging_viewer, self.ubuntu_viewer = f"{run}-ping", f"{run}-ubuntu"

    def images(self):
        answer = invoke("ListFunction", "images")
        types = {image["imageType"] for image in answer.body(200)["images"]}
        expect({"ubuntu", "alpine", "redis"} <= types, f"{types}")
        return answer.took

    def healthz(self):
        answer = invoke("ListFunction", "healthz")
        expect(answer.body(200)["status"], f"{answer.value}")
        return answer.took

    def readyz(self):
        answer = invoke("ListFunction", "readyz")
        expect(answer.body(200)["status"] == "ready", f"{answer.value}")
        return answer.took

    def provision(self, event, **replaced):
        answer = invoke("ProvisionFunction", event, **replaced)
        lease = answer.body(201)
        expect(lease["state"] == "running", f"{lease}")
        running = container_of(lease["id"], self.deployment)
        expect(len(running) == 1, f"{len(running)} containers run for it")
        return lease, answer.took

    def provision_ubuntu(self):
        self.ubuntu, took = self.provision("provision-ubuntu")
        return took

    def provision_redis(self):
        self.redis, took = self.provision("provision-redis")
        [port] = self.redis["ports"]
        with socket.create_connection((port["host"], port["hostPort"]), 5) as redis:
            redis.sendall(b"PING\r\n")
            expect(redis.recv(16) == b"+PONG\r\n", "the redis does not answer")
        return took

    def provision_signed_in(self):
        """A lease of somebody else, for one minute, so that cleanup ends it."""
        self.other, took = self.provision("provision-signed-in", minutes=1)
        return took

    def lists(self, event, leases, strangers):
        answer = invoke("ListFunction", event)
        listed = {lease["id"] for lease in answer.body(200)["containers"]}
        expect({lease["id"] for lease in leases} <= listed, f"not all are in {listed}")
        expect(not listed & {lease["id"] for lease in strangers}, "others' leases are listed")
        return answer.took

    def list(self):
        return self.lists("list", [self.ubuntu, self.redis], [self.other])

    def list_signed_in(self):
        return self.lists("list-signed-in", [self.other], [self.ubuntu, self.redis])

    def get(self):
        answer = invoke("ListFunction", "get", lease=self.ubuntu["id"])
        expect(answer.body(200)["state"] == "running", f"{answer.value}")
        return answer.took

    def get_signed_in(self):
        answer = invoke("ListFunction", "get-signed-in", lease=self.other["id"])
        expect(answer.body(200)["id"] == self.other["id"], f"{answer.value}")
        return answer.took

    def get_of_another(self):
        problem = invoke("ListFunction", "get", lease=self.other["id"]).body(404)
        expect(problem["type"].endswith(":lease-not-found"), f"{problem}")

    def unrouted(self):
        answer = invoke("ListFunction", "unrouted")
        problem = answer.body(405)
        expect(problem["type"].endswith(":method-not-allowed"), f"{problem}")
        return answer.took

    def renew(self):
        answer = invoke("RenewFunction", "renew", lease=self.ubuntu["id"])
        end, before = answer.body(200)["expiryTime"], self.ubuntu["expiryTime"]
        later = parsed_time(end) - parsed_time(before)
        expect(later.total_seconds() > 200, f"{end} after {before}")
        return answer.took

    def exec(self):
        answer = invoke("ExecFunction", "exec", lease=self.ubuntu["id"])
        done = answer.body(200)
        expect((done["stdout"], done["stderr"]) == ("hello\n", "done\n"), f"{done}")
        expect(done["exitCode"] == 0 and not done["timedOut"], f"{done}")
        return answer.took

    def stats(self):
        answer = invoke("ListFunction", "stats", lease=self.redis["id"])
        used = answer.body(200)
        expect(used["memory"]["usedBytes"] > 0, f"{used}")
        expect(used["processes"]["count"] > 0, f"{used}")
        return answer.took

    def log_page(self):
        answer = invoke("ListFunction", "log-page", lease=self.redis["id"])
        lines = docker("logs", *container_of(self.redis["id"], self.deployment)).splitlines()
        got = [entry["message"] for entry in answer.body(200)["entries"]]
        expect(lines and got == lines, f"{got} is not {lines}")
        return answer.took

    # Viewers. Their relays run on in `sam local start-lambda`, until the lease ends.

    def frames(self, connection):
        file = self.folder / "frames" / connection
        text = file.read_text() if file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def messages(self, connection):
        return [line["message"] for line in self.frames(connection) if "event" not in line]

    def connect(self):
        answer = invoke(
            "LogsFunction", "logs-connect", lease=self.redis["id"], connection=self.redis_viewer
        )
        answer.body(200)
        lines = docker("logs", *container_of(self.redis["id"], self.deployment)).splitlines()
        expect(lines, "the redis has logged nothing")
        wait_until(
            FRAMES_SECONDS,
            "the whole log",
            lambda: len(self.messages(self.redis_viewer)) >= len(lines),
        )
        got = self.messages(self.redis_viewer)
        expect(got == lines, f"{got} is not {lines}")
        return f"{answer.took}, then {len(lines)} lines"

    def connect_signed_in(self):
        answer = invoke(
            "LogsFunction",
            "logs-connect-signed-in",
            lease=self.other["id"],
            connection=self.other_viewer,
        )
        answer.body(200)
        wait_until(FRAMES_SECONDS, "a first line", lambda: self.messages(self.other_viewer))
        return answer.took

    def connect_to_another(self):
        problem = invoke("LogsFunction", "logs-connect", lease=self.other["id"]).body(404)
        expect(problem["type"].endswith(":lease-not-found"), f"{problem}")

    def message(self):
        answer = invoke("LogsFunction", "logs-message", connection=self.pinging_viewer)
        answer.body(200)
        events = [line["event"] for line in self.frames(self.pinging_viewer)]
        expect(events == ["pong"], f"the viewer got {events}")
        return answer.took

    def disconnect(self):
        answer = invoke("LogsFunction", "logs-disconnect", connection=self.pinging_viewer)
        answer.body(200)
        return answer.took

    def relay(self):
        """A relay whose time is over soon: the rest of the log comes from its successor."""
        variables = json.loads((self.folder / "env.json").read_text())
        variables["Parameters"]["CONTAINERLEASE_RELAY_SECONDS"] = str(SHORT_RELAY_SECONDS)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(variables, file)
            file.flush()
            lease = self.ubuntu["id"]
            answer = invoke(
                "LogsFunction",
                "logs-relay",
                "--env-vars",
                file.name,
                lease=lease,
                connection=self.ubuntu_viewer,
            )
        expect(answer.value == {"relayed": True}, f"{answer.value}")
        got = self.messages(self.ubuntu_viewer)
        expect(len(got) == 1, f"the viewer got {got}")
        return answer.took

    # Their ends.

    def cleanup(self):
        answer = invoke("CleanupFunction", "cleanup")
        report = answer.value
        expect(report["expired"] == 1, f"{report}")
        expect(report["attemptsFailed"] == 0 and not report["engineUnseen"], f"{report}")
        expect(not container_of(self.other["id"], self.deployment, "--all"), "it is there still")
        ended = invoke("ListFunction", "get-signed-in", lease=self.other["id"]).body(200)
        expect(ended["receipt"]["reason"] == "expired", f"{ended}")
        [late] = report["overshootMs"]
        # How late is measured elsewhere, on a machine that does not start containers meanwhile.
        expect(0 <= late < LATE_MS, f"it was ended {late} ms after its time")
        return f"{answer.took}, {late} ms after its time"

    def delete(self):
        answer = invoke("DeleteFunction", "delete", lease=self.ubuntu["id"])
        deleted = answer.body(200)
        expect(deleted["success"] and deleted["state"] == "ended", f"{deleted}")
        expect(not container_of(self.ubuntu["id"], self.deployment, "--all"), "it is there still")
        ended = invoke("ListFunction", "get", lease=self.ubuntu["id"]).body(200)
        expect(ended["receipt"]["reason"] == "deleted", f"{ended}")
        return answer.took

    def is_told(self):
        invoke("DeleteFunction", "delete", lease=self.redis["id"]).body(200)
        for connection, reason in [
            (self.redis_viewer, "deleted"),
            (self.other_viewer, "expired"),
            (self.ubuntu_viewer, "deleted"),
        ]:

            def is_closed(connection=connection):
                frames = self.frames(connection)
                return frames and frames[-1].get("event") == "closed"

            wait_until(FRAMES_SECONDS, f"the close of {connection}", is_closed)
            told = [line for line in self.frames(connection) if line.get("event") == "ended"]
            expect([line["reason"] for line in told] == [reason], f"{connection} was told {told}")
        got = self.messages(self.ubuntu_viewer)
        expect(len(got) == 1, f"lines came twice: {got}")

    def left_out(self):
        unsent = {event.stem for event in EVENTS.glob("*.json")} - sent
        expect(not unsent, f"{unsent}")

    def run(self, check, meanwhile):
        """Does all checks, and ``meanwhile`` while a lease of a minute runs out."""
        check("list, images: the catalogue", self.images)
        check("list, healthz: the process is there", self.healthz)
        check("list, readyz: the table and the engine answer", self.readyz)
        check("list, unrouted: what no route takes is refused", self.unrouted)
        check("provision, signed in: a container runs", self.provision_signed_in)
        # It waits for the lease's own second, while the others go on.
        cleanup = threading.Thread(
            target=check, args=("cleanup: a lease is ended when its time is over", self.cleanup)
        )
        cleanup.start()
        check("provision, ubuntu: a container runs", self.provision_ubuntu)
        check("provision, redis: it answers at its port", self.provision_redis)
        check("list, signed in: their own lease only", self.list_signed_in)
        check("list, get, signed in: their lease", self.get_signed_in)
        check("logs, connect, signed in: their log", self.connect_signed_in)
        check("list, list: the leases of the caller only", self.list)
        check("list, get: a lease", self.get)
        check("list, get: another's lease is not found", self.get_of_another)
        check("list, log page: the whole log", self.log_page)
        check("list, stats: what a lease uses", self.stats)
        check("renew: a later end", self.renew)
        check("exec: both streams and an exit code", self.exec)
        check("logs, connect: the viewer gets the whole log", self.connect)
        check("logs, connect: another's lease is not found", self.connect_to_another)
        check("logs, message: a ping is answered", self.message)
        check("logs, disconnect", self.disconnect)
        check("logs, relay: it hands over to a successor", self.relay)
        check("delete: the container is gone", self.delete)
        meanwhile()
        cleanup.join()
        check("no saved event is left out", self.left_out)
        check("logs: viewers are told the end, and get no line twice", self.is_told)


# --- sam local start-api ------------------------------------------------------------------------


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def api():
    """The routes' URL, while sam serves them."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = ["sam", "local", "start-api", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
        try:
            wait_until(
                START_SECONDS, "the start of sam local start-api", lambda: answers(server, url)
            )
            yield url
        except Exception:
            log.seek(0)
            print(log.read()[-3000:], file=sys.stderr)
            raise
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            finally:
                server.kill()


def answers(server, url):
    expect(server.poll() is None, "sam local start-api has ended")
    try:
        return request(url, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def request(url, method, path, body=None):
    """Status, type and parsed body of an HTTP answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url + path, data, method=method)
    asked.add_header("content-type", "application/json")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            asked, timeout=35
        ) as answer:
            return answer.status, answer.headers["content-type"], json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], json.load(error)


class Routes:
    """One life of a lease over HTTP."""

    def __init__(self, url, deployment):
        self.url, self.deployment = url, deployment
        self.lease = None

    def get(self, path, status=200):
        got, kind, body = request(self.url, "GET", path)
        expect(got == status, f"{path} answered {got}: {body}")
        return kind, body

    def reads(self, path, field):
        began = time.monotonic()
        expect(field in self.get(path)[1], f"there is no {field}")
        return f"{(time.monotonic() - began) * 1000:.0f} ms"

    def provision(self):
        asked = {"imageType": "alpine", "durationMinutes": 5}
        status, _, self.lease = request(self.url, "POST", "/api/provision", asked)
        expect(status == 201, f"{status}: {self.lease}")
        expect(
            len(container_of(self.lease["id"], self.deployment)) == 1, "no container runs for it"
        )

    def path(self):
        return f"/api/containers/{self.lease['id']}"

    def get_lease(self):
        expect(self.get(self.path())[1]["state"] == "running", "it does not run")

    def renew(self):
        asked = {"durationMinutes": 10}
        status, _, renewed = request(self.url, "POST", f"{self.path()}/renew", asked)
        expect(status == 200, f"{status}: {renewed}")
        expect(renewed["expiryTime"] > self.lease["expiryTime"], f"{renewed}")

    def exec(self):
        asked = {"command": ["echo", "hello"]}
        status, _, done = request(self.url, "POST", f"{self.path()}/exec", asked)
        expect((status, done["stdout"]) == (200, "hello\n"), f"{status}: {done}")

    def stats(self):
        expect(self.get(f"{self.path()}/stats")[1]["memory"]["usedBytes"] > 0, "no memory is used")

    def log_page(self):
        page = self.get(f"{self.path()}/logs?tail=1")[1]
        expect(len(page["entries"]) == 1 and page["cursor"], f"{page}")

    def delete(self):
        status, _, deleted = request(self.url, "DELETE", self.path())
        expect((status, deleted["state"]) == (200, "ended"), f"{status}: {deleted}")
        expect(not container_of(self.lease["id"], self.deployment, "--all"), "it is there still")
        expect(self.get(self.path())[1]["receipt"]["reason"] == "deleted", "its receipt is wrong")

    def refuses(self):
        kind, problem = self.get("/api/containers/not-an-id", 400)
        expect(kind == "application/problem+json", f"{kind}")
        expect(problem["type"].endswith(":invalid-lease-id"), f"{problem}")
        status, _, problem = request(self.url, "POST", "/api/provision", {"imageType": "no-such"})
        expect(status == 400 and problem["errors"], f"{status}: {problem}")
        kind, problem = self.get("/no/such/path", 404)
        expect(problem["type"].endswith(":route-not-found"), f"{problem}")

    def run(self, check):
        for path, field in [
            ("/healthz", "status"),
            ("/readyz", "engine"),
            ("/api/images", "images"),
            ("/api/openapi.json", "openapi"),
            ("/api/containers", "containers"),
        ]:
            check(f"start-api: GET {path}", lambda path=path, field=field: self.reads(path, field))
        check("start-api: POST /api/provision", self.provision)
        check("start-api: GET /api/containers/{id}", self.get_lease)
        check("start-api: GET /api/containers/{id}/stats", self.stats)
        check("start-api: GET /api/containers/{id}/logs", self.log_page)
        check("start-api: POST /api/containers/{id}/exec", self.exec)
        check("start-api: POST /api/containers/{id}/renew", self.renew)
        check("start-api: DELETE /api/containers/{id}", self.delete)
        check("start-api: what cannot be done is answered with a problem", self.refuses)


def main(folder, deployment):
    check = Checks()

    def routes():
        with api() as url:
            Routes(url, deployment).run(check)

    Invocations(Path(folder), deployment).run(
        check, meanwhile=lambda: check("start-api: it starts and ends", routes)
    )
    print(f"{check.passed} passed, {check.failed} failed", flush=True)
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
