"""bench/peers: transship and its peers on the same work; tables and pictures in bench/results."""

import argparse
import pathlib
import signal
import sys

import peers
import results
import servers
import tasks
import wan


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/peers",
        description="Runs transship and every peer that is installed on T1 to T7 (T8, memory, "
                    "comes from their runs), and writes bench/results/peers.{md,json,svg}.")
    parser.add_argument("--only", metavar="T", nargs="+", help="these tasks: T1 T3 ... (T2 is "
                        "measured with T1)")
    parser.add_argument("--tools", metavar="TOOL", nargs="+", choices=list(peers.TOOLS),
                        help=f"these tools: {', '.join(peers.TOOLS)}")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--scale", type=float, default=1.0,
                        help="of the content: 0.1 is a tenth; figures of another scale are dropped")
    parser.add_argument("--add", action="store_true",
                        help="keep the runs that bench/results has, and add these to them")
    parser.add_argument("--results", type=pathlib.Path, default=results.DIRECTORY, metavar="DIR")
    return parser.parse_args()


def one_line(tool, figures):
    if "error" in figures:
        return f"{tool.name}: {figures['error']}"
    text = ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}"
                     for k, v in figures.items())
    return f"{tool.name}: {text}"


def measure(task, chosen, options, kept):
    tools = [t for t in task.tools() if t.installed() and (not chosen or t.name in chosen)]
    with task:
        kept.begin(task, [] if options.add else tools)
        for n in range(options.rounds):
            for tool in tools:
                runs = task.run(tool)
                kept.add(task, tool, runs)
                kept.write()
                for name, figures in runs.items():
                    print(f"{name} round {n + 1}: {one_line(tool, figures)}", flush=True)


def main():
    # Ended from outside: registries and links are taken down as at the end of a block.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    if servers.find_program("registry") is None:
        print("distribution v3 (registry) is not installed: tools/peers installs it")
        return 1
    missing = [t.name for t in peers.TOOLS.values() if not t.installed()]
    if missing:
        print("not installed, and left out: " + ", ".join(missing))
    kept = results.Results(options.results, options.scale, options.add or options.only is not None)
    for task in tasks.all_tasks(options.scale):
        if options.only and not set(options.only) & set(task.names):
            continue
        try:
            measure(task, options.tools, options, kept)
        except wan.Unavailable as reason:
            print(f"{', '.join(task.names)}: left out: {reason}")
    print("\n".join(kept.summary()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
