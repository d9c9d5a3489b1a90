"""Postern under torture: is every message that was answered 250 delivered, and none twice but for a reason?

usage: torture.py [--build DIRECTORY] [--short] [--seed N] [MODE...]      modes: kills, each, power, disk, damage

    kills    hosts, and now and then the supervisor, are killed at random moments under load, in changing weather
    each     a small scenario, once for each thing that it asks of the disk: killed before, within and after it
    power    it fails, at random and at each of those things: only what was fsynced is left
    disk     the same, with a disk that is full from some write on, or fails one of them; then one that is really full
    damage   bytes of the queue are changed while the service is down: set aside and reported, never a crash

The last line is the sum. Exit status 1 when anything was lost, was duplicated though nothing was in flight (account.py
says what that is), was answered 5xx, was changed on its way, or a process crashed."""
import argparse
import asyncio
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modes", nargs="*", metavar="MODE", help="kills, each, power, disk, damage; without one: all")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build/release")
    parser.add_argument("--short", action="store_true", help="a few of each, in about a minute")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, help="of random kills")
    parser.add_argument("--points", type=int, help="of each kind of fault at most, spread over the scenario")
    return parser.parse_args()


async def torture(options, folder):
    """The sum over all modes."""
    from account import Sum
    from damage import damage
    from modes import disk, each, kills, power
    modes = {"kills": kills, "each": each, "power": power, "disk": disk, "damage": damage}
    total = Sum()
    for name in options.modes or modes:
        begin = time.monotonic()
        one = await modes[name](options, folder / name)
        apart = f" ({one.disk_failed} for the disk failed what was to be noted)" if one.disk_failed else ""
        print(f"{name}: {one}{apart}, {time.monotonic() - begin:.0f} s", flush=True)
        total = total + one
    return total


def main():
    options = parse_arguments()
    build = options.build.resolve()
    os.environ["POSTERN"] = str(build / "postern")
    if not os.access(build / "postern", os.X_OK) or not (build / "faults.so").is_file():
        sys.exit(f"torture: {build} lacks postern or faults.so: build both, as ./do torture does")
    if options.short:
        options.seconds = options.seconds or 10
        options.points = options.points or 10
    options.seconds = options.seconds or 90
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-torture-"))
    print(f"seed {options.seed}", flush=True)
    total = asyncio.run(torture(options, folder))
    for problem in total.problems[:50]:
        print("!", problem)
    if total.is_good:
        shutil.rmtree(folder)
    else:
        print(f"{len(total.problems)} problems; all is kept in {folder}")
    print(total)
    return 0 if total.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
