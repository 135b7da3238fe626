"""The files that ``sam sync --watch`` watches, according to SAM's own watcher."""

from pathlib import Path

import pytest
from samcli.commands.sync.command import cli as sync
from samcli.lib.providers.provider import ResourceIdentifier
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.lib.utils.resource_trigger import LambdaZipCodeTrigger
from samcli.yamlhelper import yaml_parse
from watchdog.events import DirModifiedEvent, FileModifiedEvent

REPOSITORY = Path(__file__).parents[3]
RESOURCES = yaml_parse((REPOSITORY / "template.yaml").read_text())["Resources"]
FUNCTIONS = [
    name for name, about in RESOURCES.items() if about["Type"] == "AWS::Serverless::Function"
]


@pytest.fixture(scope="module")
def stacks():
    return SamLocalStackProvider.get_stacks(
        str(REPOSITORY / "template.yaml"),
        parameter_overrides={"DockerHost": "tcp://host:1", "DockerCertificateSecret": "arn"},
    )[0]


@pytest.fixture
def excluded(request, tmp_path, monkeypatch):
    """The exclusions of samconfig.toml, by function."""
    monkeypatch.chdir(REPOSITORY)
    arguments = ["--parameter-overrides", "Deployment=dev", "--config-env", request.param]
    with sync.make_context("sync", arguments) as context:
        return context.params["watch_exclude"]


@pytest.mark.parametrize("excluded", ["default", "dev"], indirect=True)
def test_sources_are_watched_and_what_a_build_writes_is_not(stacks, excluded):
    assert sorted(excluded) == sorted(FUNCTIONS)
    for function in FUNCTIONS:
        seen = []
        trigger = LambdaZipCodeTrigger(
            ResourceIdentifier(function), stacks, REPOSITORY, seen.append, excluded[function]
        )
        [handler] = trigger.get_path_handlers()
        for path, watched in [
            ("shared/domain/src/lease.rs", True),
            ("functions/src/bin/list.rs", True),
            ("infra/images/catalogue.json", True),
            ("Cargo.lock", True),
            ("target", False),
            ("target/debug/deps/list.d", False),
            ("target/lambda/list/bootstrap", False),
            (".aws-sam/build/ListFunction/bootstrap", False),
            (".containerlease/data/table.db", False),
            (".git/index", False),
            ("frontend/node_modules/vite/package.json", False),
        ]:
            event = DirModifiedEvent if path == "target" else FileModifiedEvent
            seen.clear()
            handler.event_handler.dispatch(event(str(Path(handler.path) / path)))
            assert bool(seen) == watched, f"{function}: {path}"
