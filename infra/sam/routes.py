"""A lease from provision to end over HTTP, at the routes of ``sam local start-api``."""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from checks import REPOSITORY, container_of, expect, wait_until

REQUEST_SECONDS = 35
START_SECONDS = 90
STOP_SECONDS = 30


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def api(flags):
    """The routes' URL, while sam serves them."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = ["sam", "local", "start-api", "--port", str(port), *flags]
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
            asked, timeout=REQUEST_SECONDS
        ) as answer:
            return answer.status, answer.headers["content-type"], json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], json.load(error)


class Routes:
    """A lease from provision to end over HTTP."""

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
            ("/api/me", "scopes"),
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
