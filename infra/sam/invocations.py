"""Leases from provision to end, each step an invocation by ``sam local invoke``."""

import json
import re
import secrets
import socket
import subprocess
import threading
from urllib.parse import urlsplit

from checks import EVENTS, REPOSITORY, Failed, container_of, docker, expect, parsed_time, wait_until

# Texts in the saved events that a test replaces.
LEASE = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
CONNECTION = "CHm3acPwliACFYg="

INVOKE_SECONDS = 150
FRAMES_SECONDS = 30
LATE_MS = 10_000
# One line per second, and more lines than seconds of a relay's run (see local.sh), so that several
# relays send them.
COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 1; done"]
RELAYED_LINES = 32


class Answer:
    """An invocation's output: its answer, and its duration inside the container."""

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


# The saved events sent so far, and the flags that point sam to other functions.
sent = set()
sam_flags = []


def invoke(function, event, **replaced):
    """Invokes ``function`` with a saved event, after the replacements of ``replaced``. The exit
    code of sam says nothing about the function, so this reads its answer."""
    text = (EVENTS / f"{event}.json").read_text()
    sent.add(event)
    minutes = rf"\"durationMinutes\":{replaced.get('minutes', 5)}"
    if "command" in replaced:
        minutes += json.dumps(f',"command":{json.dumps(replaced["command"])}')[1:-1]
    for old, new in [
        (LEASE, replaced.get("lease", LEASE)),
        (CONNECTION, replaced.get("connection", CONNECTION)),
        (r"\"durationMinutes\":5", minutes),
    ]:
        text = text.replace(old, new)
    done = subprocess.run(
        ["sam", "local", "invoke", function, "--event", "-", *sam_flags],
        cwd=REPOSITORY,
        input=text,
        capture_output=True,
        text=True,
        timeout=INVOKE_SECONDS,
    )
    return Answer(done.stdout, done.stderr)


class Invocations:
    """Leases from provision to end, each step an invocation."""

    def __init__(self, folder, deployment):
        self.folder, self.deployment = folder, deployment
        self.ubuntu = self.redis = self.other = None
        # New names, because frames of an earlier run's viewers are still there.
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

    def openapi(self):
        answer = invoke("ListFunction", "openapi")
        expect("/api/provision" in answer.body(200)["paths"], f"{answer.value}")
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
        self.ubuntu, took = self.provision("provision-ubuntu", command=COUNTING)
        return took

    def provision_redis(self):
        self.redis, took = self.provision("provision-redis")
        [port] = self.redis["ports"]
        with socket.create_connection((port["host"], port["hostPort"]), 5) as redis:
            address = urlsplit(port["url"])
            redis.sendall(f"AUTH {address.username} {address.password}\r\n".encode())
            expect(redis.recv(16) == b"+OK\r\n", "the redis does not answer")
        return took

    def provision_signed_in(self):
        """Another owner's lease of one minute, which cleanup ends."""
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

    # Viewers. Their relays keep running in `sam local start-lambda` until the lease ends.

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

    def connect_counting(self):
        answer = invoke(
            "LogsFunction", "logs-connect", lease=self.ubuntu["id"], connection=self.ubuntu_viewer
        )
        answer.body(200)
        wait_until(FRAMES_SECONDS, "a first line", lambda: self.messages(self.ubuntu_viewer))
        return answer.took

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
        """A second relay leaves the viewers to the first, which serves them all."""
        answer = invoke("RelayFunction", "relay", lease=self.ubuntu["id"])
        expect(answer.value == {"relayed": True}, f"{answer.value}")
        return answer.took

    def hand_over(self):
        """More lines than one relay sends arrive in order and without repetition."""
        lines = RELAYED_LINES
        wait_until(
            lines + FRAMES_SECONDS,
            f"line {lines}",
            lambda: len(self.messages(self.ubuntu_viewer)) >= lines,
        )
        self.expect_counted()

    def expect_counted(self):
        got = self.messages(self.ubuntu_viewer)
        expect(got == [f"line {n + 1}" for n in range(len(got))], f"lines are wrong: {got}")

    # The leases' ends.

    def end(self):
        answer = invoke("EndFunction", "end", lease=self.redis["id"])
        expect(answer.value == {"batchItemFailures": []}, f"{answer.value}")
        lease = invoke("ListFunction", "get", lease=self.redis["id"]).body(200)
        expect(lease["state"] == "running", f"{lease}")
        return answer.took

    def deliver(self):
        answer = invoke("DeliverFunction", "deliver", lease=self.redis["id"])
        expect(answer.value == {"batchItemFailures": []}, f"{answer.value}")
        return answer.took

    def cleanup(self):
        answer = invoke("CleanupFunction", "cleanup")
        report = answer.value
        expect(report["expired"] == 1, f"{report}")
        expect(report["attemptsFailed"] == 0 and not report["engineUnseen"], f"{report}")
        expect(not container_of(self.other["id"], self.deployment, "--all"), "it is there still")
        ended = invoke("ListFunction", "get-signed-in", lease=self.other["id"]).body(200)
        expect(ended["receipt"]["reason"] == "expired", f"{ended}")
        [late] = report["overshootMs"]
        # Lateness is measured elsewhere, on a machine that does not start containers meanwhile.
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

    def are_told(self):
        invoke("DeleteFunction", "delete", lease=self.redis["id"]).body(200)
        self.is_told(self.redis_viewer, "deleted")
        self.is_told(self.other_viewer, "expired")
        self.counting_is_told()

    def counting_is_told(self):
        self.is_told(self.ubuntu_viewer, "deleted")
        self.expect_counted()

    def is_told(self, connection, reason):
        def is_closed():
            frames = self.frames(connection)
            return frames and frames[-1].get("event") == "closed"

        wait_until(FRAMES_SECONDS, f"the close of {connection}", is_closed)
        told = [line for line in self.frames(connection) if line.get("event") == "ended"]
        expect([line["reason"] for line in told] == [reason], f"{connection} was told {told}")

    def left_out(self):
        unsent = {event.stem for event in EVENTS.glob("*.json")} - sent
        expect(not unsent, f"{unsent}")

    def run(self, check, meanwhile):
        """Runs all checks, and ``meanwhile`` while a lease of a minute runs out."""
        check("list, images: the catalogue", self.images)
        check("list, healthz: the process is there", self.healthz)
        check("list, readyz: the table and the engine answer", self.readyz)
        check("list, openapi: the description", self.openapi)
        check("list, unrouted: what no route takes is refused", self.unrouted)
        check("provision, signed in: a container runs", self.provision_signed_in)
        # It waits for the lease's end, while the others go on.
        cleanup = threading.Thread(
            target=check, args=("cleanup: a lease is ended when its time is over", self.cleanup)
        )
        cleanup.start()
        check("provision, ubuntu: a container runs", self.provision_ubuntu)
        check("logs, connect: a log that goes on", self.connect_counting)
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
        check("relay: it leaves viewers to the one that serves them", self.relay)
        check("relay: each hands over to its successor", self.hand_over)
        check("end: a message for another end is dropped", self.end)
        check("deliver: there is nothing to tell", self.deliver)
        check("delete: the container is gone", self.delete)
        meanwhile()
        cleanup.join()
        check("no saved event is left out", self.left_out)
        check("logs: viewers are told the end, and get no line twice", self.are_told)

    def run_few(self, check):
        """One invocation of each kind: of a route, of the engine, of a WebSocket and its relay."""
        check("list, list: the leases of the caller", lambda: self.lists("list", [], []))
        check("provision, ubuntu: a container runs", self.provision_ubuntu)
        check("exec: both streams and an exit code", self.exec)
        check("logs, connect: a log that goes on", self.connect_counting)
        check("delete: the container is gone", self.delete)
        check("logs: the viewer is told the end", self.counting_is_told)
