# SPDX-License-Identifier: Apache-2.0
"""Builds the Java programs that use the published client."""

import os
import subprocess

DOWNLOAD_TRIES = 3


def build(project, target):
    """Downloads the client once, and compiles the project into the directory `target`. Returns the class path."""
    target = os.path.abspath(target)
    command = ["mvn", "-q", "-B", "-f", os.path.join(project, "pom.xml"), f"-Dmillrace.build={target}", "package",
               "dependency:copy-dependencies", f"-DoutputDirectory={target}/lib"]
    # What it downloads may fail for a moment; what is there already it keeps.
    for _ in range(DOWNLOAD_TRIES):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return f"{target}/classes:{target}/lib/*"
    raise RuntimeError(f"Maven could not build {project}: {done.stdout[-3000:]}{done.stderr[-1000:]}")
