"""The parameters of the deploy commands in docs/aws.md, as SAM itself reads them."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from samcli.commands.deploy.command import cli as deploy
from samcli.commands.deploy.deploy_context import DeployContext
from samcli.commands.local.invoke.cli import cli as invoke
from samcli.commands.sync.command import cli as sync
from samcli.yamlhelper import yaml_parse

REPOSITORY = Path(__file__).parents[3]
GUIDE = (REPOSITORY / "docs/aws.md").read_text()
TEMPLATE = yaml_parse((REPOSITORY / "template.yaml").read_text())
DEFAULTS = {
    name: str(about["Default"])
    for name, about in TEMPLATE["Parameters"].items()
    if "Default" in about
}

BLOCKS = re.findall(r"^( *)```\n(.*?)^ *```$", GUIDE, re.M | re.S)
SCRIPTS = [re.sub(f"^{indent}", "", text, flags=re.M) for indent, text in BLOCKS]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with the repository's files for SAM, as in a fresh clone."""
    for file in ["samconfig.toml", "template.yaml"]:
        shutil.copy(REPOSITORY / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(command, arguments):
    """The parameters that ``sam`` gets from a command line and samconfig.toml together."""
    name = {deploy: "deploy", sync: "sync", invoke: "invoke"}[command]
    above = click.Context(click.Group("sam"), info_name="sam")
    if command is invoke:
        above = click.Context(click.Group("local"), info_name="local", parent=above)
    with command.make_context(name, list(arguments), parent=above) as context:
        return context.params


def of_first_deploy(overrides):
    """The value of each parameter after the first deploy of a stack."""
    asked = DeployContext.merge_parameters(TEMPLATE, overrides)
    sent = {one["ParameterKey"]: one["ParameterValue"] for one in asked if "ParameterValue" in one}
    return {**DEFAULTS, **sent}


def run_without_sam(script):
    """Runs a block of the guide with a `sam` that prints its arguments, one command per line."""
    said = subprocess.run(
        ["bash", "-euc", f"sam() {{ printf '%q ' \"$@\"; echo; }}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return [shlex.split(line) for line in said.stdout.splitlines()]


def test_the_first_deploy_of_the_guide_has_all_parameters_of_samconfig_and_the_reader_s(clone):
    [script] = [one for one in SCRIPTS if "sam deploy" in one]
    [[command, *arguments]] = run_without_sam(script)
    assert command == "deploy"
    params = given(deploy, arguments)
    assert params["stack_name"] == "containerlease"
    values = of_first_deploy(params["parameter_overrides"])
    assert set(values) == set(TEMPLATE["Parameters"]), "a parameter has no value"
    # The promises of prod.
    assert values["Deployment"] == "containerlease"
    assert values["DeletionProtection"] == "true"
    assert values["PointInTimeRecovery"] == "true"
    assert values["ReservedConcurrency"] == "true"
    assert values["LogRetentionDays"] == "90"
    assert values["Tracing"] == "Active"
    # The reader's own values.
    assert values["DockerHost"] == "tcp://192.0.2.7:2376"
    assert values["DockerCertificateSecret"].startswith("arn:aws:secretsmanager:")
    assert values["PublishAddress"] == "192.0.2.7"
    assert values["AlarmEmail"] == "you@example.org"


def test_what_the_reader_writes_overrules_the_environment_s_list(clone):
    (clone / "samconfig.prod.toml").write_text('ReservedConcurrency = "false"\n')
    values = given(deploy, ["--config-env", "prod"])["parameter_overrides"]
    assert values["ReservedConcurrency"] == "false"
    assert values["DeletionProtection"] == "true"


@pytest.mark.parametrize("command", [deploy, sync])
def test_dev_is_a_stack_of_its_own_that_keeps_little(clone, command):
    (clone / "samconfig.dev.toml").write_text('DockerHost = "tcp://192.0.2.7:2376"\n')
    params = given(command, ["--config-env", "dev"])
    assert params["stack_name"] == "containerlease-dev"
    values = of_first_deploy(params["parameter_overrides"])
    assert values["Deployment"] == "dev"
    assert values["DeletionProtection"] == "false"
    assert values["ReservedConcurrency"] == "false"
    assert values["DockerHost"] == "tcp://192.0.2.7:2376"


def test_a_file_that_is_missing_is_named(clone):
    with pytest.raises(Exception, match=r"samconfig\.prod\.toml was not found"):
        given(deploy, ["--config-env", "prod"])


def test_no_command_of_the_guide_replaces_samconfig_s_list():
    commands = re.findall(r"`sam deploy [^`]*`|^ *sam deploy (?:[^\n]*\\\n)*[^\n]*$", GUIDE, re.M)
    assert len(commands) >= 2
    for command in commands:
        assert "--parameter-overrides" not in command, command


def test_the_values_of_samconfig_are_ones_that_the_template_takes(clone):
    for environment in ["dev", "prod"]:
        (clone / f"samconfig.{environment}.toml").write_text("")
        values = given(deploy, ["--config-env", environment])["parameter_overrides"]
        for name, value in values.items():
            about = TEMPLATE["Parameters"][name]
            allowed = [str(one) for one in about.get("AllowedValues", [value])]
            assert value in allowed, f"{name}={value}"
            assert re.fullmatch(about.get("AllowedPattern", ".*"), value), f"{name}={value}"


def test_a_plain_invoke_needs_nothing_of_ours(clone):
    plain = given(invoke, ["ListFunction"])
    assert [plain[name] for name in ("env_vars", "docker_network")] == [None, None]
    assert not plain["invoke_image"]
    # Without an engine's address a function does not start.
    host = plain["parameter_overrides"]["DockerHost"]
    assert re.fullmatch(TEMPLATE["Parameters"]["DockerHost"]["AllowedPattern"], host)
    variables = clone / ".containerlease/sam/env.json"
    variables.parent.mkdir(parents=True)
    variables.write_text("{}")
    prepared = given(invoke, ["ListFunction", "--config-env", "local"])
    assert prepared["docker_network"] == "containerlease-sam"
