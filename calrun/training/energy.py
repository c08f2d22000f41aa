"""The energy of a fit, measured by codecarbon (optional: pip install 'calrun[energy]'); record.energy switches it on.

What codecarbon measures (3.3): the processor by its own counters where they can be read (RAPL on Linux), otherwise an
estimate, the processor's nominal power (TDP) times the share of it that this process and its children keep busy; NVIDIA
and AMD GPUs by their counters; memory by a rule, 5 W a module and 10 W at least. RAPL counts the whole package and a
GPU's counter the whole GPU, whoever uses them, and all GPUs count that CUDA_VISIBLE_DEVICES leaves visible: a figure is
the run's own only where it has these to itself. Screen, disks, network and cooling are left out. Variables such as
CODECARBON_FORCE_CPU_POWER or CODECARBON_PUE correct it for a machine.
"""

import logging
import time
from math import nan
from types import TracebackType
from typing import Any, Self

LEAST_SECONDS = 0.05  # codecarbon looks no sooner again: a shorter fit is given so much, a longer one may lose so much
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
        """Adds what an attempt before this one has used."""
        self._before += kwh
        self.kwh += kwh

    def _take(self, measured: float | None) -> None:
        self.kwh = self._before + (nan if measured is None else measured)  # None: codecarbon failed


def new_tracker() -> Any:
    """Returns a tracker of codecarbon's that asks no network, writes no file and lets others run beside it.

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
    logging.getLogger("codecarbon").setLevel(logging.ERROR)  # its constructor speaks before it reads log_level
    return OfflineEmissionsTracker(
        allow_multiple_runs=True,  # otherwise a lock for the whole machine, and handlers of SIGTERM and SIGINT
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
