# SPDX-License-Identifier: Apache-2.0
"""Figures over the rounds of a run, as figure.h has them for the C++ programs."""

import json
import statistics


def judge(value, target):
    """Whether a value meets {"at_least": x} or {"at_most": x}; None without a target."""
    if "at_least" in target:
        return value >= target["at_least"]
    if "at_most" in target:
        return value <= target["at_most"]
    return None


def target_of(sample):
    return {bound: sample[bound] for bound in ("at_least", "at_most") if bound in sample}


def verdict(met):
    return {None: "", True: "met", False: "missed"}[met]


class Figures:
    """Samples by scenario and name, printed as they come; a line of JSON for each goes to the end of the file `path`, if there is one."""

    def __init__(self, path=None):
        self.path = path
        self.samples = {}
        self.targets = {}

    def add(self, scenario, name, value, **target):
        print(f"  {scenario} {name}: {value:.3g}", flush=True)
        self.samples.setdefault((scenario, name), []).append(value)
        self.targets[scenario, name] = target
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"scenario": scenario, "figure": name, "value": value, **target}) + "\n")

    def summary(self):
        for key, samples in self.samples.items():
            median = statistics.median(samples)
            words = verdict(judge(median, self.targets[key]))
            print(f"{key[0]} {key[1]}: median {median:.3g} ({min(samples):.3g} to {max(samples):.3g}) {words}".rstrip())


def read_samples(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def summed_up(samples):
    """One record for each figure, in the order in which they first came."""
    groups = {}
    for sample in samples:
        groups.setdefault((sample["scenario"], sample["figure"]), []).append(sample)
    records = []
    for (scenario, figure), group in groups.items():
        values = [sample["value"] for sample in group]
        median = statistics.median(values)
        target = target_of(group[-1])
        records.append({"scenario": scenario, "figure": figure, "median": median, "least": min(values), "most": max(values),
                        "rounds": len(values), "target": target, "met": judge(median, target)})
    return sorted(records, key=lambda record: scenario_order(record["scenario"]))


def scenario_order(name):
    return (0, int(name[1:]), name) if name[1:].isdigit() else (1, 0, name)
