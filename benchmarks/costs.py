"""Measure the processor time, elapsed time and peak memory of a block of code."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Cost:
    """``busy``: seconds that this process computed; ``seconds`` holds what it waited for as well.

    ``megabytes``: how far its memory rose above what it was before.
    """

    busy: float = 0
    seconds: float = 0
    megabytes: float = 0


@contextmanager
def costing(above: float | None = None) -> Iterator[Cost]:
    """Measure a block. Memory counts from ``above`` megabytes, by default from the current ones."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the peak
    cost, before = Cost(), resident() if above is None else above
    started, started_busy = time.perf_counter(), time.process_time()
    yield cost
    cost.seconds, cost.busy = time.perf_counter() - started, time.process_time() - started_busy
    cost.megabytes = max(0.0, resident("VmHWM") - before)


def resident(which: str = "VmRSS") -> float:
    """Return the process's memory in megabytes: current (VmRSS) or peak (VmHWM)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[which].split()[0]) / 1024
