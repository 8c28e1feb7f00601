"""What was measured: kept as JSON run by run, and told as Markdown."""

import datetime
import json
import os
import statistics

import chart
import servers

DIRECTORY = servers.PROJECT / "bench/results"

# Figures of a task, the headline first: (key, heading, format).
WALL = ("wall_s", "wall s", "{:.1f}")
CPU = ("cpu_s", "CPU s", "{:.1f}")
CPU_GIB = ("cpu_s_per_gib", "CPU s/GiB", "{:.2f}")
PEAK = ("peak_mib", "peak MiB", "{:.0f}")
REQUESTS = ("requests", "requests", "{:.0f}")
REGISTRIES = ("registries_cpu_s", "registries' CPU s", "{:.1f}")
OTHERS = ("others_cpu_s", "others' CPU s", "{:.1f}")
SOURCE = ("source_ratio", "source bytes", "{:.2f} x")
FIGURES = {
    "T1": [WALL, REQUESTS, CPU, REGISTRIES, OTHERS, PEAK],
    "T2": [WALL, REQUESTS, CPU, REGISTRIES, OTHERS],
    "T3": [WALL, CPU, REGISTRIES, OTHERS], "T4": [WALL, CPU, REGISTRIES, OTHERS],
    "T5": [CPU_GIB, WALL, OTHERS, PEAK], "T6": [CPU_GIB, WALL, OTHERS, PEAK],
    "T7": [WALL, CPU, REGISTRIES, OTHERS, SOURCE],
}
# The picture of the README: time as a multiple of transship's.
TIMES = [("T1", "first pass of 1,200 tags over a WAN"), ("T2", "the same again, nothing new"),
         ("T3", "1 GiB pulled over a WAN"), ("T4", "1 GiB pushed over a WAN"),
         ("T7", "1 GiB to four targets, loopback")]
# The panels of the other: (task, figure, heading).
PANELS = [("T1", "wall_s", "T1 first pass over a WAN, s"),
          ("T1", "requests", "T1 requests"),
          ("T2", "wall_s", "T2 nothing new, s"),
          ("T3", "wall_s", "T3 one blob pulled over a WAN, s"),
          ("T4", "wall_s", "T4 one blob pushed over a WAN, s"),
          ("T5", "cpu_s_per_gib", "T5 CPU s/GiB"),
          ("T6", "cpu_s_per_gib", "T6 CPU s/GiB, TLS"),
          ("T7", "wall_s", "T7 to four targets, s")]


def machine():
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return f"{os.cpu_count()} cores, {gib} GiB"


class Results:
    """Runs by task and tool. With `add`, those of an earlier call are kept."""

    def __init__(self, directory, scale, add):
        self.file = directory / "peers.json"
        self.directory = directory
        self.data = {"machine": machine(), "scale": scale, "tasks": {}}
        if add and self.file.exists():
            old = json.loads(self.file.read_text())
            if old["scale"] == scale and old["machine"] == machine():
                self.data = old
        self.data["date"] = datetime.date.today().isoformat()

    def begin(self, task, replace):
        """Makes room for a task's runs; `replace`: without those of these tools so far."""
        for name in task.names:
            kept = self.data["tasks"].setdefault(name, {"tools": {}})
            kept.update(title=task.titles[name], least_requests=task.least.get(name))
            for tool in replace:
                kept["tools"].pop(tool.name, None)

    def add(self, task, tool, runs):
        for name, run in runs.items():
            row = self.data["tasks"][name]["tools"].setdefault(tool.name, {"runs": []})
            row["setting"] = task.setting(tool)
            row["runs"].append(run)

    def write(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.data, indent=1) + "\n")
        (self.directory / "peers.md").write_text(self.markdown())
        (self.directory / "peers.svg").write_text(self.picture())
        (self.directory / "times.svg").write_text(self.times())

    # --- figures

    def values(self, task, tool, key):
        runs = self.data["tasks"].get(task, {"tools": {}})["tools"].get(tool, {"runs": []})["runs"]
        return [run[key] for run in runs if key in run]

    def median(self, task, tool, key):
        values = self.values(task, tool, key)
        return statistics.median(values) if values else None

    def tools(self, task):
        order = {name: n for n, name in enumerate(self._order())}
        return sorted(self.data["tasks"][task]["tools"], key=lambda t: order.get(t, 99))

    @staticmethod
    def _order():
        return ["transship", "crane", "regsync", "oras", "skopeo", "ocync", "relay"]

    # --- text

    def _cell(self, task, tool, figure):
        key, _, form = figure
        values = self.values(task, tool, key)
        if not values:
            return ""
        text = form.format(statistics.median(values))
        low, high = form.format(min(values)), form.format(max(values))
        return text if low == high else f"{text} ({low} to {high})"

    def _failures(self, task, tool):
        return [r["error"] for r in self.data["tasks"][task]["tools"][tool]["runs"] if "error" in r]

    def _section(self, task):
        kept = self.data["tasks"][task]
        lines = [f"## {task}: {kept['title']}", ""]
        if kept["least_requests"]:
            lines += [f"The protocol cannot do without {kept['least_requests']} requests.", ""]
        figures = FIGURES[task]
        lines += ["| tool | " + " | ".join(f[1] for f in figures) + " | runs | setting |",
                  "|---" * (len(figures) + 3) + "|"]
        for tool in self.tools(task):
            row = kept["tools"][tool]
            cells = [self._cell(task, tool, f) for f in figures]
            lines.append(f"| {tool} | {' | '.join(cells)} | {len(row['runs'])} | "
                         f"{row['setting']} |")
        p50, p99 = (self.median(task, "transship", k) for k in ("p50_ms", "p99_ms"))
        if p50:
            lines += ["", f"transship, from an artifact's first request to its tag: p50 {p50:.0f} "
                          f"ms, p99 {p99:.0f} ms."]
        for tool in self.tools(task):
            for error in self._failures(task, tool):
                lines += ["", f"{tool} failed: `{' '.join(error.split())[:300]}`"]
        return lines + [""]

    def _memory(self):
        """T8: peaks of T5, T6 and T1 (the largest process of a tool that runs several)."""
        tasks = [t for t in ("T5", "T6", "T1") if t in self.data["tasks"]]
        tools = [t for t in self._order() if any(self.values(k, t, "peak_mib") for k in tasks)]
        lines = ["## T8: peak resident memory, MiB, of a tool's largest process", "",
                 "| tool | " + " | ".join(tasks) + " |", "|---" * (len(tasks) + 1) + "|"]
        for tool in tools:
            peaks = [max(self.values(t, tool, "peak_mib"), default=None) for t in tasks]
            lines.append(f"| {tool} | " +
                         " | ".join("" if p is None else f"{p:.0f}" for p in peaks) + " |")
        return lines + [""] if tools else []

    def markdown(self):
        scale = "" if self.data["scale"] == 1 else f", scale {self.data['scale']:g}"
        lines = ["# transship beside its peers", "",
                 f"`bench/peers`, {self.data['date']}. Machine: {self.data['machine']}, shared by "
                 f"client and registries{scale}. Registries: distribution v3, files in memory. "
                 "Each run into an empty target, tools in turn; what arrived was compared byte by "
                 "byte. Medians (least to most). A WAN has 1 Gbit/s and a round trip of 50 ms. Others: "
                 "all else on the machine, the link's own work included.", "",
                 *self.summary(), ""]
        for task in sorted(self.data["tasks"]):
            lines += self._section(task)
        return "\n".join(lines + self._memory())

    def summary(self):
        """One table: tasks by tools, the headline figures."""
        tools = [t for t in self._order() if t != "relay" and
                 any(t in kept["tools"] for kept in self.data["tasks"].values())]
        lines = ["| | " + " | ".join(f"**{t}**" if t == "transship" else t for t in tools) + " |",
                 "|---" * (len(tools) + 1) + "|"]
        for task, key, heading in PANELS:
            if task not in self.data["tasks"]:
                continue
            form = next(f for k, _, f in FIGURES[task] if k == key)
            medians = [self.median(task, tool, key) for tool in tools]
            lines.append(f"| {heading} | " + " | ".join(
                "" if m is None else form.format(m) for m in medians) + " |")
        return lines

    def picture(self):
        panels = []
        for task, key, heading in PANELS:
            if task not in self.data["tasks"]:
                continue
            form = next(f for k, _, f in FIGURES[task] if k == key)
            bars = [(tool, self.values(task, tool, key)) for tool in self.tools(task)]
            panels.append((heading, form, [(t, v) for t, v in bars if v]))
        return chart.panels(panels)

    def times(self):
        panels = []
        for task, heading in TIMES:
            base = self.median(task, "transship", "wall_s") if task in self.data["tasks"] else None
            if not base:
                continue
            bars = [(tool, [v / base for v in self.values(task, tool, "wall_s")])
                    for tool in self.tools(task)]
            panels.append((heading, "{:.1f} x", [(t, v) for t, v in bars if v]))
        return chart.panels(panels)
