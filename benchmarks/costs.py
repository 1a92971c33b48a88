"""What a piece of work takes: the processor's time, time by the clock, and how far memory rises."""

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
    """What the block takes, known after its end. ``above``: megabytes to count from, else those of now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak begins anew
    cost, before = Cost(), resident() if above is None else above
    started, started_busy = time.perf_counter(), time.process_time()
    yield cost
    cost.seconds, cost.busy = time.perf_counter() - started, time.process_time() - started_busy
    cost.megabytes = max(0.0, resident("VmHWM") - before)


def resident(which: str = "VmRSS") -> float:
    """Megabytes of this process in memory: now (VmRSS), or the most that it had (VmHWM)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[which].split()[0]) / 1024
