"""Deploys with a wrong parameter: ``/readyz`` names it, and only the functions that need it fail.

They use a second stack of the same packaged template, to keep the other tests' stack intact.
"""

import itertools
import json
import shutil
import socket
import subprocess
from pathlib import Path

import boto3
import pytest
import stack as stacks
from conftest import Api, containers_of, docker, invoke, wait_until

# A wrong certificate is read again at most every 10 s.
ROTATION_SECONDS = 20

MISSING_SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:no-such-secret-AbCdEf"


@pytest.fixture(scope="module")
def deployed(stack):
    """A function that deploys the stack with changed parameters."""
    name = f"{stack.name}-bad"
    deployment = f"{stack['Deployment']}-bad"
    deploys = itertools.count(1)

    def deploy(**wrong):
        right = {
            "Deployment": deployment,
            "DockerHost": stack["DockerHost"],
            "DockerCertificateSecret": stack["DockerCertificateSecret"],
            "DeletionProtection": "false",
            "Hosting": "false",
            "Alarms": "false",
            # New functions each time, which have not read a certificate yet.
            "HistoryHours": str(next(deploys)),
        }
        return stacks.deploy(stack["Packaged"], name, {**right, **wrong}, stack["Bucket"])

    yield deploy
    stacks.delete(name)
    # An engine has only some thirty networks, and each run would take one.
    for network in docker(
        "network", "ls", "--quiet", f"--filter=label=containerlease.deployment={deployment}"
    ):
        docker("network", "rm", network)


@pytest.fixture(scope="module")
def secret():
    """The ARN of this module's own secret."""
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="containerlease/bad-deploys", SecretString="{}")["ARN"]
    yield arn
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def put(secret, text):
    boto3.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=text)


def certificate_of(folder):
    return json.dumps(
        {name: (folder / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}
    )


def assert_only_the_engine_is_named(bad, detail):
    """Checks that the engine's fault is named, and that everything else works."""
    api = Api(bad["ApiUrl"])
    # Twice: once on a cold start, once warm.
    for _ in range(2):
        answer = api.get("/readyz")
        assert answer.status == 503, answer
        assert answer.body["engine"] == {"state": "error", "detail": detail}
        assert answer.body["table"] == {"state": "ok"}
        assert api.get("/healthz").status == 200
        assert api.get("/api/containers").status == 200
        report = invoke(bad, "Cleanup", {})
        assert report["engineUnseen"] is True, report
    for _ in range(2):
        body = {"imageType": "alpine", "durationMinutes": 1}
        refused = api.call("POST", "/api/provision", body)
        assert (refused.status, refused.problem) == (503, "engine-unavailable")
        for internal in ("arn:", "pem", "tcp://", "secret"):
            assert internal not in json.dumps(refused.body).lower()
    # A reaper with these leases still to end would wait for them, minutes in all.
    forget_leases(bad)


def forget_leases(bad):
    dynamodb = boto3.client("dynamodb")
    for item in dynamodb.scan(TableName=bad["TableName"])["Items"]:
        key = {name: item[name] for name in ("pk", "sk")}
        dynamodb.delete_item(TableName=bad["TableName"], Key=key)


def test_a_secret_that_is_not_there(deployed):
    bad = deployed(DockerCertificateSecret=MISSING_SECRET)
    assert_only_the_engine_is_named(
        bad,
        "The secret with our certificate for the engine cannot be read; check "
        "CONTAINERLEASE_DOCKER_SECRET and the function's permissions.",
    )


@pytest.mark.parametrize("text", ["not JSON", '{"ca": "", "cert": "", "key": ""}'])
def test_a_secret_that_holds_no_certificate(deployed, secret, text):
    put(secret, text)
    bad = deployed(DockerCertificateSecret=secret)
    assert_only_the_engine_is_named(bad, "Our certificate or key for the engine cannot be used.")


@pytest.fixture
def another(tmp_path):
    """A folder with a client's certificate of another authority."""
    script = Path(__file__).parents[2] / "docker-host" / "certificates.sh"
    subprocess.run([script, tmp_path / "another"], check=True, capture_output=True)
    return tmp_path / "another" / "client"


def test_a_certificate_that_the_engine_refuses_until_it_is_rotated(
    deployed, stack, secret, another
):
    ours = Path(stack["Certificates"])
    shutil.copy(ours / "ca.pem", another / "ca.pem")
    put(secret, certificate_of(another))
    bad = deployed(DockerCertificateSecret=secret)
    assert_only_the_engine_is_named(bad, "The engine refuses our client certificate.")
    # Without another deploy, and in warm functions.
    put(secret, certificate_of(ours))
    api = Api(bad["ApiUrl"])
    wait_until(ROTATION_SECONDS, "the rotation", lambda: api.get("/readyz").status == 200)
    body = {"imageType": "alpine", "durationMinutes": 1}
    lease = wait_until(
        ROTATION_SECONDS,
        "the rotation in the function that provisions",
        lambda: (made := api.call("POST", "/api/provision", body)).status == 201 and made.body,
    )
    assert containers_of(lease["id"])
    assert api.delete(lease["id"]).status == 200
    forget_leases(bad)


def test_an_engine_that_we_do_not_trust(deployed, secret, another):
    put(secret, certificate_of(another))
    bad = deployed(DockerCertificateSecret=secret)
    assert_only_the_engine_is_named(bad, "We do not trust the engine's certificate.")


def test_a_host_that_cannot_be_reached(deployed):
    bad = deployed(DockerHost="tcp://127.0.0.1:9")
    assert_only_the_engine_is_named(bad, "The engine cannot be reached.")


def test_a_host_that_does_not_answer(deployed):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bad = deployed(DockerHost=f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        api = Api(bad["ApiUrl"])
        answer = api.get("/readyz")
        assert answer.status == 503, answer
        assert answer.body["engine"]["detail"] == "The engine does not answer in time."
        assert api.get("/api/containers").status == 200
        forget_leases(bad)


def test_a_table_that_is_not_there(deployed):
    bad = deployed()
    assert Api(bad["ApiUrl"]).get("/readyz").status == 200
    boto3.client("dynamodb").delete_table(TableName=bad["TableName"])
    api = Api(bad["ApiUrl"])
    for _ in range(2):
        answer = api.get("/readyz")
        assert answer.status == 503, answer
        detail = "There is no such table; check CONTAINERLEASE_TABLE."
        assert answer.body["table"] == {"state": "error", "detail": detail}
        assert answer.body["engine"] == {"state": "ok"}
        assert api.get("/healthz").status == 200
        for method, path, body in [
            ("GET", "/api/containers", None),
            ("POST", "/api/provision", {"imageType": "alpine", "durationMinutes": 1}),
        ]:
            refused = api.call(method, path, body)
            assert (refused.status, refused.problem) == (503, "store-unavailable")
    # The reaper fails with a named error, and does not crash.
    for _ in range(2):
        assert invoke(bad, "Cleanup", {})["errorType"] == "NoTable"
