"""Invokes each function with its saved events by ``sam local invoke``, then calls all HTTP routes
of ``sam local start-api``, and checks the answers.

usage: drive.py [--few] FOLDER DEPLOYMENT [FLAG...]

FOLDER is where local.sh keeps its state. The engine and sam come from the environment; sam gets
the FLAGs. With --few there is one invocation of each kind, and no start-api. Each check prints a
line. The last line is the count; the exit code is 1 if a check has failed.
"""

import sys
from pathlib import Path

import invocations
from checks import Checks
from invocations import Invocations
from routes import Routes, api


def main(few, folder, deployment, *flags):
    check = Checks()
    invocations.sam_flags = flags
    run = Invocations(Path(folder), deployment)

    def routes():
        with api(flags) as url:
            Routes(url, deployment).run(check)

    if few:
        run.run_few(check)
    else:
        run.run(check, meanwhile=lambda: check("start-api: it starts and ends", routes))
    print(f"{check.passed} passed, {check.failed} failed", flush=True)
    return 1 if check.failed else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main("--few" in words, *(word for word in words if word != "--few")))
