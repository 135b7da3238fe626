"""Dashboard, API and logs at one address, behind the emulated CloudFront.

The emulator cannot pass a WebSocket through CloudFront. infra/hosting tests the function of that
path, and test_logs.py the WebSocket API behind it.
"""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

HOSTING = Path(__file__).parents[2] / "hosting"


@pytest.fixture(scope="module")
def page(stack):
    """Uploads the dashboard; returns a function that requests a path from CloudFront."""
    tools = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CONTAINERLEASE_STACK": stack.name,
    }
    subprocess.run([HOSTING / "upload.sh"], check=True, env=environment, capture_output=True)

    def get(path):
        connection = http.client.HTTPConnection(urlsplit(stack["ApiUrl"]).netloc, timeout=35)
        # The emulator recognises a distribution by its host name, as AWS does.
        headers = {"host": stack["DistributionDomain"], "x-forwarded-proto": "https"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    return get


def test_the_dashboard_is_served_with_its_headers(page):
    status, headers, text = page("/")
    assert status == 200 and b"<title>ContainerLease" in text
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "max-age=" in headers["strict-transport-security"]


def test_what_the_page_needs_is_kept_for_good(page):
    _, _, text = page("/")
    script = text.split(b'src="')[1].split(b'"')[0].decode()
    status, headers, _ = page(script)
    assert status == 200 and "immutable" in headers["cache-control"]


def test_the_api_answers_at_the_same_address(page):
    status, _, text = page("/api/images")
    assert status == 200 and json.loads(text)["images"]
    status, _, text = page("/api/openapi.json")
    assert status == 200 and json.loads(text)["openapi"]
    status, headers, text = page("/api/containers/not-an-id")
    assert status == 400 and headers["content-type"] == "application/problem+json"
    assert json.loads(text)["type"].endswith("invalid-lease-id")
    assert page("/readyz")[0] == 200


def test_a_path_of_no_log_is_refused_before_it_goes_on(page):
    status, headers, text = page("/ws/logs/..%2Fx")
    assert status == 400 and headers["content-type"] == "application/problem+json"
    assert json.loads(text)["type"].endswith("invalid-lease-id")
