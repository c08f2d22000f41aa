"""The energy of a fit, measured by codecarbon (optional: pip install 'calrun[energy]'); record.energy switches it on.

What codecarbon 3.3 measures: the processor by its own counters where they can be read (RAPL on Linux); NVIDIA and AMD
GPUs by theirs. Elsewhere it estimates the processor: its nominal power (TDP) times the share of it that this process
and its children keep busy. Memory follows a rule, 5 W a module and at least 10 W. Screen, disks, network and cooling
are left out.

RAPL counts the whole package, and a GPU's counter the whole GPU, whoever uses it; every GPU counts that
CUDA_VISIBLE_DEVICES leaves visible. So a figure is the run's own only if the run has these devices to itself. Variables
such as CODECARBON_FORCE_CPU_POWER or CODECARBON_PUE correct the figure for a machine.
"""

import logging
import time
from math import nan
from types import TracebackType
from typing import Any, Self

LEAST_SECONDS = 0.05  # codecarbon's shortest interval: a shorter fit waits for its end, a longer one may lose as much
GRAM_A_KWH = 1000  # carbon intensity at which the kilograms that codecarbon returns are kWh


class EnergyMeter:
    """Adds up the energy of what happens inside `with`.

    Args:
        on: whether it measures at all.

    Attributes:
        kwh: kWh so far, as of the last `read` or the end of `with`; NaN where it is not known.

    Raises:
        ValueError: at `with`, if codecarbon is not installed.
    """

    def __init__(self, on: bool) -> None:
        self.on = on
        self.kwh = 0.0 if on else nan
        self._tracker: Any = None
        self._before, self._started = self.kwh, 0.0

    def __enter__(self) -> Self:
        if self.on:
            self._tracker = new_tracker()
            self._tracker.start()
            self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._tracker is not None:
            time.sleep(max(0.0, self._started + LEAST_SECONDS - time.perf_counter()))
            self._take(self._tracker.stop())
            self._tracker = None

    def read(self) -> float:
        """Returns the kWh so far."""
        if self._tracker is not None:
            self._take(self._tracker.flush())
        return self.kwh

    def go_on(self, kwh: float) -> None:
        """Adds the kWh that earlier attempts have used."""
        self._before += kwh
        self.kwh += kwh

    def _take(self, measured: float | None) -> None:
        self.kwh = self._before + (nan if measured is None else measured)  # None: codecarbon failed


def new_tracker() -> Any:
    """Returns a codecarbon tracker that uses no network, writes no files and lets others run beside it.

    Raises:
        ValueError: codecarbon is not installed.
    """
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError as error:
        raise ValueError(
            f"record.energy=true wants codecarbon, which cannot be imported ({error}); pip install 'calrun[energy]' "
            "or set record.energy to false"
        ) from error
    logging.getLogger("codecarbon").setLevel(logging.ERROR)  # its constructor logs before it reads log_level
    return OfflineEmissionsTracker(
        allow_multiple_runs=True,  # otherwise it locks the whole machine and handles SIGTERM and SIGINT
        tracking_mode="process",
        output_methods=[],
        force_carbon_intensity_g_co2e_kwh=GRAM_A_KWH,
        log_level="error",
    )


def require_energy() -> None:
    """Finds out, before a run, whether energy can be measured here; it takes codecarbon a second to get ready.

    Raises:
        ValueError: codecarbon is not installed, or it measures nothing.
    """
    with EnergyMeter(on=True) as meter:
        time.sleep(2 * LEAST_SECONDS)
    if not meter.kwh > 0:
        raise ValueError(
            "record.energy=true, but codecarbon measures nothing on this machine; CODECARBON_FORCE_CPU_POWER=<watts> "
            "gives it the processor's power, or set record.energy to false"
        )
