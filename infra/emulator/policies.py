"""Shows that each function's policy is minimal: removes each action, one at a time, and checks
that a test of the suite fails.

usage: policies.py OUTPUTS [PATTERN]

OUTPUTS is the file in which emulator.sh describes its stack. For each action of each policy, or
only those that match PATTERN, it deploys a copy of the packaged template without the action as
a separate stack, and runs the function's tests until one fails. Without PATTERN it writes the
table to docs/policies.md. The exit code is 1 if no test fails, or if one fails with all actions
in place.

The AWS settings, and the docker command's, come from the environment.
"""

import copy
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import stack as stacks
from samcli.yamlhelper import yaml_dump, yaml_parse

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "docs" / "policies.md"

# The runs mostly wait.
AT_ONCE = 3

HEAD = """# What each function may do

Each function has its own role. The table lists every action of every policy, and a test of the
deployed template that fails when only that action is removed from a copy of the template.
`make policies` generates it on the emulator with IAM enforced. The emulator also checks the role
for what AWS does with it: writing its log, polling a queue, sending failures to a queue.

Not listed: `VpcPolicy` and `TracingPolicy`, which exist only with `SubnetIds` and
`Tracing=Active` and follow AWS's documentation, and the schedule's role, which SAM makes.

† marks writes in a transaction. DynamoDB documents that it checks each item's own action there.
That it also checks each item's own key against `dynamodb:LeadingKeys` is our reading, and here a
patch of the emulator (`infra/emulator/start.py`), which does not know that condition. It was never
tested on AWS. If AWS gave the condition no key, such a row would allow all keys of the table; if it
gave all keys of a transaction at once, every provision would be refused, and
`infra/hosting/smoke.sh` would fail. Other conditions on keys depend on the same patch, and on AWS's
documentation.

| function | action | on | without it fails |
|---|---|---|---|
"""


# Writes of leases, counts and notifications in one transaction.
TRANSACTED = re.compile(
    r"(Provision|Renew|Delete|Cleanup|End) dynamodb:(PutItem|UpdateItem) .*(owner#|host|notify#)"
)


class Action:
    """An action of a policy's statement: its place, and its name in the table."""

    def __init__(self, resource, policy, statement, action, function):
        self.resource = resource
        self.policy = policy
        self.sid = statement["Sid"]
        self.action = action
        self.function = function
        self.on = on(statement)
        if TRANSACTED.match(f"{function} {action} {self.on}"):
            self.on += " †"

    def taken_from(self, template):
        """A copy of the template without the action."""
        template = copy.deepcopy(template)
        properties = template["Resources"][self.resource]["Properties"]
        if self.policy is None:
            statements = properties["PolicyDocument"]["Statement"]
        else:
            policies = {one["PolicyName"]: one for one in properties["Policies"]}
            statements = policies[self.policy]["PolicyDocument"]["Statement"]
        [statement] = [one for one in statements if one["Sid"] == self.sid]
        left = [one for one in actions(statement) if one != self.action]
        if left:
            statement["Action"] = left
        else:
            statements.remove(statement)
        if not statements:
            # A policy must have a statement, so remove one that would have none.
            del template["Resources"][self.resource]
        return template


def actions(statement):
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


def on(statement):
    """Describes the resource, and the keys of the table, for the reader."""
    resource = str(statement["Resource"])
    keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
    keys = keys.get("dynamodb:LeadingKeys")
    if isinstance(keys, list):
        keys = "` and `".join(keys)
    index = re.search(r"/index/(\w+)", resource)
    for part, words in [
        ("Secret", "the secret with the certificate"),
        ("Failures", "the queue of failures"),
        ("@connections", "the WebSocket API's connections"),
        ("EndQueue", "the queue of ends"),
        ("DeliveryQueue", "the queue of notifications"),
        ("RelayFunction", "the relay function"),
        ("Log.Arn", "its own log"),
        ("Log'", "its own log"),
    ]:
        if part in resource:
            return words
    place = f"the index `{index[1]}`" if index else "the table"
    return f"{place}, keys `{keys}`" if keys else place


def actions_of(template):
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role" and "Policies" in properties:
            function = name.removesuffix("Role")
            for policy in properties["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    for action in actions(statement):
                        yield Action(name, policy["PolicyName"], statement, action, function)
        if resource["Type"] == "AWS::IAM::Policy":
            [role] = properties["Roles"]
            function = role["Ref"].removesuffix("Role")
            for statement in properties["PolicyDocument"]["Statement"]:
                for action in actions(statement):
                    yield Action(name, None, statement, action, function)


def try_out(template, function, outputs, number):
    """Deploys the template as a separate stack and runs the function's tests until one fails.
    Returns the failed test, or none. A test that passes when it is repeated failed for lack of
    time, which says nothing about the permission, so it is skipped."""
    name = f"{outputs['Stack']}-policies-{number}"
    deployment = f"{outputs['Deployment']}-p{number}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.yaml"
        file.write_text(yaml_dump(template))
        parameters = {
            "Deployment": deployment,
            "DockerHost": outputs["DockerHost"],
            "DockerCertificateSecret": outputs["DockerCertificateSecret"],
            "RelaySeconds": outputs["RelaySeconds"],
            "Hosting": "false",
            "Alarms": "false",
        }
        deployed = stacks.deploy(file, name, parameters, outputs["Bucket"])
        try:
            about = {**deployed.outputs, "Stack": name, "Deployment": deployment}
            facts = Path(folder) / "outputs"
            facts.write_text("".join(f"{key}={value}\n" for key, value in about.items()))
            return first_that_fails(f"test_{function.lower()}.py", facts)
        finally:
            stacks.delete(name)
            remove_containers(deployment)


def first_that_fails(file, facts):
    tests = HERE / "tests"
    left_out = []
    while failed := run_tests([tests / file, *left_out], facts):
        if run_tests([tests / failed], facts):
            return failed
        before = f"{left_out[1]} and " if left_out else ""
        left_out = ["-k", f"{before}not {failed.split('::')[1]}"]
    return None


def run_tests(which, facts):
    """Runs these until one fails. Returns the failed test, or none."""
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*pytest, *which, "--stack", facts], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) \S*/tests/(test_\w+\.py::\w+)", done.stdout, re.M)
    if failed is None:
        raise SystemExit(f"the tests could not be run:\n{done.stdout}{done.stderr}")
    return failed[1]


def remove_containers(deployment):
    label = f"--filter=label=containerlease.deployment={deployment}"
    for listing, removal in [
        (["ps", "--all", "--quiet"], ["rm", "--force", "--volumes"]),
        (["network", "ls", "--quiet"], ["network", "rm"]),
    ]:
        found = subprocess.run(["docker", *listing, label], capture_output=True, text=True)
        if found.stdout:
            subprocess.run(["docker", *removal, *found.stdout.split()], capture_output=True)


def main(outputs_file, pattern=None):
    lines = Path(outputs_file).read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    template = yaml_parse(Path(outputs["Packaged"]).read_text())
    tried = list(actions_of(template))
    if pattern:
        tried = [
            one for one in tried if re.search(pattern, f"{one.function} {one.action} {one.sid}")
        ]
    functions = sorted({one.function for one in tried})
    bad = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        whole = {
            function: pool.submit(try_out, template, function, outputs, f"whole{number}")
            for number, function in enumerate(functions)
        }
        without = [
            pool.submit(try_out, one.taken_from(template), one.function, outputs, number)
            for number, one in enumerate(tried)
        ]
        for function, result in whole.items():
            failed = result.result()
            print(f"{function}, whole: {failed or 'all tests pass'}", flush=True)
            if failed:
                bad.append(f"{failed} fails with nothing taken away")
        rows = []
        for one, result in zip(tried, without, strict=True):
            failed = result.result()
            print(
                f"{one.function}, {one.action} ({one.sid}): {failed or 'NO TEST FAILS'}", flush=True
            )
            if not failed:
                bad.append(f"{one.function} passes all tests without {one.action} ({one.sid})")
            rows.append(f"| {one.function.lower()} | `{one.action}` | {one.on} | `{failed}` |\n")
    if not pattern and not bad:
        TABLE.write_text(HEAD + "".join(rows))
    print(f"\n{len(tried) - len(bad)} passed, {len(bad)} failed")
    return "\n".join(bad)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or os.EX_OK)
