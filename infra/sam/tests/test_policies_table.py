"""Checks that docs/policies.md lists each action of each policy; `make policies` is slow."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "emulator"))

from policies import TABLE, actions_of
from samcli.yamlhelper import yaml_parse

REPOSITORY = Path(__file__).parents[3]
ROW = re.compile(r"^\| (\w+) \| `(\S+)` \| (.+) \| `test_\w+\.py::\w+` \|$", re.M)


def test_the_table_has_every_action_of_the_template_and_no_other():
    template = yaml_parse((REPOSITORY / "template.yaml").read_text())
    asked = [(one.function.lower(), one.action, one.on) for one in actions_of(template)]
    assert sorted(ROW.findall(TABLE.read_text())) == sorted(asked)
