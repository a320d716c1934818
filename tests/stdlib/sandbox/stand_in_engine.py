"""A stand-in for the command line of Docker: it does what its options say, with the means of this machine.

What an option does not ask for is not enforced, so that the canaries find out when one is missing.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from attrs import evolve

from mellea.core import Policy
from mellea.stdlib.sandbox._confinement import Confinement
from mellea.stdlib.sandbox.contract import Program
from mellea.stdlib.sandbox.landlock import _run

PLACE = Path(os.environ["STAND_IN"])
FLAGS = {"--rm", "--interactive", "--read-only"}


def parse(words):
    """Return the options by name, each with its values, and what follows them."""
    options = {}
    rest = list(words)
    while rest[0].startswith("--"):
        name = rest.pop(0)
        options.setdefault(name, []).append("" if name in FLAGS else rest.pop(0))
    return options, rest


def confinement_for(options):
    """Return what the options ask for."""
    policy = Policy(processes=64, disk=1 << 34)
    base = Confinement.of(policy, "root" if os.geteuid() == 0 else "user")
    tmpfs = dict(part.partition("=")[::2] for part in options["--tmpfs"][0].split(":")[1].split(","))
    limits = {"RLIMIT_CORE": 0}
    if "--memory" in options:
        limits["RLIMIT_AS"] = int(options["--memory"][0])
    if "--pids-limit" in options:
        limits["RLIMIT_NPROC"] = int(options["--pids-limit"][0]) + (0 if os.geteuid() == 0 else 2)
    volumes = [volume.split(":") for volume in options.get("--volume", [])]
    variables = {name: os.environ[name] for name in options.get("--env", [])}
    return evolve(
        base,
        read=(*base.read, *(path for _, path, *mode in volumes)),
        write=(*base.write, *(path for _, path, *mode in volumes if not mode)),
        execute=True,
        system_calls=False,
        limits=tuple(limits.items()),
        stopped=False,
        output=1 << 30,
        environment=(*{"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}.items(),),
        isolated_network=options.get("--network") == ["none"],
        disk=int(tmpfs.get("size", 1 << 34)),
    )


def run(words):
    options, (image, *command) = parse(words)
    if image == "missing":
        sys.stderr.write("Unable to find image 'missing:latest' locally\n")
        return 125
    with (PLACE / "runs.txt").open("a") as file:
        file.write(f"{sorted(options)}\n")
    (PLACE / options["--name"][0]).write_text(str(os.getpid()))
    argv = ("sh", "-c", 'exec "$@" < stdin', "sh", sys.executable, *command[1:])
    program = Program(None, argv, {"stdin": sys.stdin.buffer.read()}, None)
    found = asyncio.run(_run(confinement_for(options), program))
    sys.stdout.write(found.stdout)
    sys.stderr.write(found.stderr)
    return found.exit_code if found.exit_code >= 0 else 128 - found.exit_code


def main():
    verb, *words = sys.argv[1:]
    if (PLACE / "down").exists():
        sys.stderr.write("Cannot connect to the Docker daemon. Is the docker daemon running?\n")
        return 1
    if verb == "run":
        return run(words)
    if verb == "kill":
        os.kill(int((PLACE / words[0]).read_text()), signal.SIGKILL)
    return 0


sys.exit(main())
