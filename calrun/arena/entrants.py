"""Who takes part in the arena: every acquisition option, and which of them stored features can play.

An acquisition is played if it looks at columns that a head on stored features gives. One that also looks at pictures or
at the network, fits a network of its own, or takes long to choose is listed with its cost and played when it is asked
for by name; one that wants what the arena has not is refused with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from calrun.acquisition.base import Acquisition
from calrun.folder.identity import canonical, is_place
from calrun.look.columns import COLUMNS, Column
from calrun.look.sizes import FLOAT, Sizes
from calrun.places import CONF, options
from calrun.plan.rates import Rates
from calrun.plan.table import seconds_text
from calrun.text.legal import is_a
from calrun.text.words import nearest

GROUP = "acquisition"
BASELINES = ("random", "margin")  # every acquisition is compared with each of them
AT_ONCE = "entrants"  # key under which all options are composed together
PICTURES = {"images": "looks at pictures", "model": "looks at the network itself"}
SLOW_CORE = Rates(flops=5e10, bytes_moved=1e10, functions=2e8, calls=2e5)  # the same judgement on every machine
MOST_SECONDS = 5.0  # of a choice, above which an acquisition is played only when it is asked for
OWN_FIT = "scratch"  # the column of those that fit for so long that they save themselves


@dataclass(frozen=True)
class Entrant:
    """An acquisition option.

    Args:
        name: of the option.
        node: its resolved configuration.
        cheats: whether it looks at labels that nobody has bought.
        dear: why it is played only when it is asked for; empty otherwise.
        unfit: why it cannot be played; empty otherwise.
        seconds: of its dearest choice, estimated for a slow core; NaN where nothing estimates it.
    """

    name: str
    node: dict[str, Any]
    cheats: bool = False
    dear: str = ""
    unfit: str = ""
    seconds: float = float("nan")

    def made(self) -> Acquisition:
        """Returns the acquisition, new."""
        return is_a(GROUP, instantiate(OmegaConf.create(self.node)), Acquisition)

    def decides(self) -> dict[str, Any]:
        """Returns its configuration without what changes no result."""
        kept: dict[str, Any] = canonical({GROUP: self.node})[GROUP]
        return kept


def entrants(names: Sequence[str] | None = None, config_dir: Path | None = None) -> list[Entrant]:
    """Returns the options that are named, or all.

    Raises:
        ValueError: if there is no such option.
    """
    known = options(GROUP, config_dir)[GROUP]
    wanted = known if names is None else list(dict.fromkeys(names))
    refuse_unknown(wanted, known)
    composed = composed_together(wanted, config_dir)
    return [resolved(name, node) for name, node in zip(wanted, composed, strict=True)]


def refuse_unknown(names: Sequence[str], known: Sequence[str]) -> None:
    """Raises a ValueError if an acquisition is no option."""
    for name in names:
        if name not in known:
            hint = f"; did you mean {close}" if (close := nearest(name, known)) else ""
            raise ValueError(f"there is no acquisition={name}{hint} (calrun list acquisition shows all)")


def composed_together(names: Sequence[str], config_dir: Path | None) -> list[DictConfig]:
    """Returns the configuration of each option, from one composition."""
    words = [f"+{GROUP}@{AT_ONCE}.e{number}={name}" for number, name in enumerate(names)]
    more = [] if config_dir is None else [f"hydra.searchpath=[file://{config_dir.resolve()}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=[*words, *more])
    return [cfg[AT_ONCE][f"e{number}"] for number in range(len(names))]


def resolved(name: str, node: DictConfig) -> Entrant:
    """Returns the entrant of a configuration."""
    try:
        tree: dict[str, Any] = OmegaConf.to_container(node, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        return Entrant(name, {}, unfit=f"cannot be composed ({' '.join(str(error).split())})")
    return judged(name, tree)


def judged(name: str, node: dict[str, Any]) -> Entrant:
    """Returns an entrant, after a look at what its acquisition needs."""
    try:
        acquisition = Entrant(name, node).made()
        needs = set(acquisition.needs)
        known = {**COLUMNS, **acquisition.columns()}
    except Exception as error:
        return Entrant(name, node, unfit=f"cannot be made ({' '.join(str(error).split())})")
    if stray := sorted(needs - known.keys()):
        return Entrant(name, node, unfit=f"needs {stray}, but candidates can hold {sorted(known)}")
    columns = [known[each] for each in sorted(needs)]
    dear = [said for column, said in PICTURES.items() if column in needs]
    dear += ["fits a network of its own"] if OWN_FIT in needs else []
    lacks = lacking(acquisition, columns, node)
    return Entrant(name, node, acquisition.looks_at_truth(), " and ".join(dear), " and ".join(lacks))


def lacking(acquisition: Acquisition, columns: Sequence[Column], node: dict[str, Any]) -> list[str]:
    """Returns what an acquisition wants that the arena has not."""
    parts = acquisition.parts()
    found = [f"trains {', '.join(parts)} beside the network"] if parts else []
    found += ["compares two networks"] if any("beside" in column.wants for column in columns) else []
    found += ["looks at a validation split"] if any(column.split == "validation" for column in columns) else []
    found += ["means nothing with another head than that of method=ridge"] if acquisition.of_ridge_head else []
    return found + [f"wants a file, acquisition.{key}" for key in node if is_place(key) and node[key] is None]


def weighed(entrant: Entrant, choices: Sequence[Sizes]) -> Entrant:
    """Returns an entrant with the seconds of its dearest choice; one that would refuse a choice is unfit."""
    if entrant.unfit:
        return entrant
    acquisition = entrant.made()
    costs = [acquisition.cost(replace(sizes, mc_samples=acquisition.num_mc_samples)) for sizes in choices]
    if refusals := [cost.refusal for cost in costs if cost.refusal]:
        return replace(entrant, unfit=f"would refuse to choose ({refusals[0]})")
    seconds = max(SLOW_CORE.seconds(cost) for cost in costs)
    slow = [f"takes about {seconds_text(seconds)} for a choice"] if seconds > MOST_SECONDS else []
    dear = " and ".join([*([entrant.dear] if entrant.dear else []), *slow])
    return replace(entrant, dear=dear, seconds=seconds)


def sizes_of(pool: int, labelled: int, budget: int, classes: int, features: int) -> Sizes:
    """Returns the sizes of a choice on stored features."""
    head = 2.0 * classes * features
    return Sizes(
        candidates=pool - labelled,
        labelled=labelled,
        classes=classes,
        features=features,
        budget=budget,
        input_shape=(features,),
        forward_flops=head,
        activation_bytes=float(FLOAT * (features + classes)),
    )
