# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG, by gnuplot."""

import os
import shutil
import subprocess

COLOURS = ("#3b6ea5", "#c4572e", "#4f8f4f", "#8a5fa8", "#a58a2e", "#555555")
HEAD = """set encoding utf8
set terminal svg size {width},{height} font "sans,12" background "white"
set output "{path}"
set border 3
set tics nomirror
set grid ytics lc rgb "#dddddd"
"""


def gnuplot(path, script, width=900, height=500):
    """Draws into the file `path`. False when there is no gnuplot."""
    if not shutil.which("gnuplot"):
        return False
    done = subprocess.run(["gnuplot"], input=HEAD.format(width=width, height=height, path=path) + script, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"gnuplot could not draw {path}: {done.stderr[-2000:]}")
    return True


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', "'") + '"'


def block(name, rows):
    """Data of a plot, as $name."""
    return f"${name} << EOD\n" + "\n".join(" ".join(str(cell) for cell in row) for row in rows) + "\nEOD\n"


def by_name(report, scenario):
    return {figure["figure"]: figure for figure in report["figures"] if figure["scenario"] == scenario}


def plot_report(report, directory):
    """False when there is no gnuplot."""
    if not shutil.which("gnuplot"):
        return False
    for plot in (plot_targets, plot_rates, plot_connections):
        plot(report, directory)
    return True


def plot_targets(report, directory):
    """Every figure that has a target, as a multiple of it, median and spread: to the right of 1 it is met."""
    rows = []
    for figure in report["figures"]:
        bound, value = next(iter(figure["target"].items()), (None, 0))
        # Of a target of 0 nothing is a multiple.
        if not value or not figure["least"]:
            continue
        shares = [figure[name] / value if bound == "at_least" else value / figure[name] for name in ("median", "least", "most")]
        rows.append([len(rows), *shares[:1], *sorted(shares[1:]), quoted(f"{figure['scenario']} {figure['figure']}")])
    if not rows:
        return
    script = block("targets", rows) + f"""
set title "In multiples of the target"
set logscale x 2
set yrange [{len(rows) - 0.5}:-0.5]
set grid xtics
set xtics font "sans,9"
unset key
set arrow from 1, graph 0 to 1, graph 1 nohead lw 2 lc rgb "{COLOURS[1]}"
set ytics font "sans,10"
plot $targets using 2:1:3:4:ytic(5) with xerrorbars pt 7 ps 0.8 lw 1.5 lc rgb "{COLOURS[0]}"
"""
    gnuplot(os.path.join(directory, "targets.svg"), script, width=1300, height=120 + 22 * len(rows))


def plot_rates(report, directory):
    """B1 in events a second, by client and server."""
    of_b1 = by_name(report, "B1")
    servers = {"Millrace": "million e/s", "null server": "million e/s of the null server", "Redis": "million e/s of Redis"}
    clients = [name.split(", ", 1)[1] for name in of_b1 if name.startswith("million e/s, ")]
    # What a column has no figure for gnuplot leaves out; a column without any it refuses.
    servers = {name: prefix for name, prefix in servers.items() if any(f"{prefix}, {client}" in of_b1 for client in clients)}
    if not servers:
        return
    rows = []
    for client in clients:
        cells = [quoted(client)]
        for prefix in servers.values():
            figure = of_b1.get(f"{prefix}, {client}")
            cells += [figure["median"], figure["least"], figure["most"]] if figure else ["NaN"] * 3
        rows.append(cells)
    parts = [f"$rates using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}:xtic(1) title {quoted(name)} lc rgb {quoted(COLOURS[i])}"
             for i, name in enumerate(servers)]
    script = block("rates", rows) + f"""
set title "B1: events of 100 B a second, one writer, one segment, durable; median and spread"
set ylabel "million events a second"
set logscale y
set yrange [0.01:*]
set style data histograms
set style histogram errorbars gap 1 lw 1
set style fill solid 0.9
set key top left
plot {", ".join(parts)}
"""
    gnuplot(os.path.join(directory, "rates.svg"), script, width=1100)


def plot_connections(report, directory):
    """B7: latency by number of connections."""
    of_b7 = by_name(report, "B7")
    counts = sorted(int(name.split(", ")[-1].split()[0]) for name in of_b7 if name.startswith("append p99, us, "))
    if not counts:
        return
    rows = []
    for count in counts:
        row = [count]
        for quantile in ("p50", "p99"):
            figure = of_b7[f"append {quantile}, us, {count} connection{'s' if count > 1 else ''}"]
            row += [figure["median"], figure["least"], figure["most"]]
        rows.append(row)
    script = block("times", rows) + f"""
set title "B7: appends of 1 KB at 25 MB/s over so many connections, open loop; median and spread"
set xlabel "connections"
set ylabel "us"
set logscale xy
set xrange [0.7:{counts[-1] * 1.5}]
set key top left
plot $times using 1:5:6:7 with yerrorlines title "p99" pt 7 lw 1.5 lc rgb "{COLOURS[1]}", \\
     $times using 1:2:3:4 with yerrorlines title "p50" pt 7 lw 1.5 lc rgb "{COLOURS[0]}"
"""
    gnuplot(os.path.join(directory, "connections.svg"), script)
