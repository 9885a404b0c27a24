# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of a process."""

import os

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of all its threads, in steps of the kernel's clock tick."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def status(pid):
    """Resident bytes, threads and open descriptors."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        words = dict(line.split(":", 1) for line in file)
    return {"resident_bytes": int(words["VmRSS"].split()[0]) * 1024, "threads": int(words["Threads"]),
            "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}


def disk_bytes(directory):
    """What the files below it take on disk. They come and go meanwhile."""
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def drop_from_page_cache(directory):
    """The files below it come from the disk when they are read next. They come and go meanwhile."""
    for path, _, names in os.walk(directory):
        for name in names:
            try:
                descriptor = os.open(os.path.join(path, name), os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fdatasync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
