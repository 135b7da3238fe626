"""Packages the functions for the emulator like ``sam build``, from existing binaries.

usage: package.py TEMPLATE BINARIES BUILD

Each function of TEMPLATE gets a folder in BUILD with its binary of BINARIES as ``bootstrap``,
and BUILD/template.yaml is TEMPLATE with these folders as ``CodeUri``; nothing else changes.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse


def main(template_file, binaries, build):
    template = yaml_parse(Path(template_file).read_text())
    build = Path(build)
    template["Globals"]["Function"].pop("CodeUri", None)
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        binary = Path(binaries) / resource["Metadata"]["BuildProperties"]["Binary"]
        folder = build / name
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "bootstrap"
        # Debug information is most of a debug build, and every deploy unpacks each function
        # again.
        if shutil.which("strip"):
            subprocess.run(["strip", "-o", copy, binary], check=True)
        else:
            shutil.copy(binary, copy)
        copy.chmod(0o755)
        resource["Properties"]["CodeUri"] = str(folder)
    (build / "template.yaml").write_text(yaml_dump(template))


if __name__ == "__main__":
    main(*sys.argv[1:])
