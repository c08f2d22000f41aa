"""One line on each option: the first sentence of its YAML, or of its `_target_`'s docstring."""

from pathlib import Path

from omegaconf import OmegaConf

from calrun.check.target import about, first_sentence
from calrun.places import CONF, options

USAGE = """calrun run [GROUP=OPTION | KEY=VALUE]...    plays a configuration; the same command resumes
calrun run -m KEY=VALUE,VALUE ...           plays a run for each combination

  --cfg job      shows the configuration as composed from the same words, with every key that can be set
  --config-dir   a folder of your own options
  --hydra-help   says what Hydra's other options are

The options of each group:
"""


def run_help() -> str:
    """Returns what `calrun run --help` prints."""
    return "\n".join([USAGE, *described()])


def described(group: str | None = None, config_dir: Path | None = None) -> list[str]:
    """Returns lines: each group, and below it its options with a sentence each."""
    lines = []
    for name, legal in options(group, config_dir).items():
        width = max(map(len, legal), default=0)
        lines += [name, *(f"  {option:<{width}}  {summary(name, option, config_dir)}".rstrip() for option in legal), ""]
    return lines[:-1]


def summary(group: str, option: str, config_dir: Path | None = None) -> str:
    """Returns the sentence of an option; empty if neither file has one."""
    roots = [CONF, *([config_dir] if config_dir else [])]
    path = next(path for root in roots if (path := root / group / f"{option}.yaml").exists())
    if said := _comment(path):
        return said
    node = OmegaConf.load(path)
    for line in OmegaConf.select(node, "defaults") or []:  # an option of another group in this one's place
        for other, chosen in line.items() if OmegaConf.is_dict(line) else ():
            if str(other).endswith("@_here_"):
                return summary(str(other).strip("/").removesuffix("@_here_"), chosen, config_dir)
    return about(str(OmegaConf.select(node, "_target_") or OmegaConf.select(node, f"{group}._target_")))


def _comment(path: Path) -> str:
    """Returns the first sentence of the comment that a YAML begins with."""
    words = []
    for line in path.read_text().splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            break
        words.append(line.lstrip("# "))
    return first_sentence("\n".join(words))
