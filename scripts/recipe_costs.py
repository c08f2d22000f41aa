"""What each recipe with printed numbers takes at most, written to calrun/sweep/costs.yaml.

python scripts/recipe_costs.py

It composes every run of one seed; sizes of pools are those of the published data sets, so that none of them is needed.
Forward work of a row is counted on each network at the data set's shape (calrun.model.adapt.forward_work); of BERT at
100 tokens and of Swin-B at 224 pixels it follows from their numbers of parameters.
"""

import sys
from pathlib import Path

import yaml
from hydra import initialize_config_dir

from calrun.places import CONF
from calrun.sweep.catalogue import recipes
from calrun.sweep.costs import most_scored, most_work
from calrun.sweep.reproduce import reproduction
from calrun.sweep.sweep import job_config

OUT = Path(__file__).parents[1] / "calrun" / "sweep" / "costs.yaml"
POOLS = {
    "amazon_polarity": 2_000_000, "cifar10": 50_000, "cifar100": 50_000, "cifar10_c": 50_000, "cola": 7_000,
    "dermamnist": 7_007, "fmnist": 60_000, "hcl": 450_381, "imagenet": 1_281_167, "imagenet100": 50_000,
    "mnist": 60_000, "pets": 3_680,
}  # fmt: skip
FLOPS = {
    "actinn": 5.78e6, "bert_base_uncased": 1.75e10, "lenet": 2.4e7, "resnet18": 1.11e9, "resnet18 fmnist": 9.1e8,
    "resnet18 dermamnist": 9.1e8, "resnet18_224": 3.63e9, "resnet50": 8.18e9, "timm": 3.08e10, "vdcnn9": 6.06e8,
}  # fmt: skip
HEADS = {"imagenet": 2.0 * 1024 * 1000}  # a linear head on the features of Swin-B
SMALL = 1e8  # forward work of networks of a few layers, whose steps start within a millisecond; ResNet-18's take 7.6
HEADER = """\
# What each recipe with printed numbers takes at most, all seeds together, if no round stops early: made by
# `python scripts/recipe_costs.py`. samples: rows forward and backward; scored: rows forward for a choice of others.
"""


def cost_of(name: str) -> dict[str, float | int]:
    """Returns the fields of `calrun.sweep.costs.Cost` of one recipe."""
    whole, one_seed = reproduction(name), reproduction(name, seeds="0")
    seeds = len(whole.overrides) / len(one_seed.overrides)
    samples = steps = scored = flops = trained = 0.0
    for overrides in one_seed.overrides:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg, choices = job_config(overrides)
        pool = round(POOLS[choices["dataset"]] * (1 - cfg.val_fraction))
        work = most_work(cfg, pool)
        row = FLOPS.get(f"{choices['model']} {choices['dataset']}", FLOPS[choices["model"]])
        head_only = choices["method"] == "linear_probe"
        samples, steps = samples + work[0], steps + work[1]
        scored += most_scored(cfg, choices, pool)
        flops, trained = max(flops, row), max(trained, HEADS[choices["dataset"]] if head_only else row)
    return {
        "runs": len(whole.overrides),
        "samples": round(seeds * samples),
        "steps": round(seeds * steps),
        "scored": round(seeds * scored),
        "row_flops": flops,
        "trained_flops": trained,
        "step_seconds": 1e-3 if trained < SMALL else 7.6e-3,
    }


def main(names: list[str]) -> None:
    """Writes the costs of these recipes, or of all, and keeps the others as they are."""
    before = yaml.safe_load(OUT.read_text(encoding="utf-8"))["recipes"] if names and OUT.exists() else {}
    found = before | {name: cost_of(name) for name in names or recipes()}
    lines = [f"  {name}: {flow(found[name])}" for name in sorted(found)]
    OUT.write_text(f"{HEADER}recipes:\n{''.join(lines)}", encoding="utf-8")


def flow(numbers: dict[str, float | int]) -> str:
    """Returns one line of YAML."""
    return str(yaml.safe_dump(numbers, default_flow_style=True, sort_keys=False, width=300))


if __name__ == "__main__":
    main(sys.argv[1:])
