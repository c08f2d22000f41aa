"""How runs differ from what a recipe would play: every leaf of their configurations against the recipe's own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calrun.report.page.naming import short_value, source_first
from calrun.report.table.plain import printable

STATED = ("scale",)  # keys whose change is said elsewhere, in capitals
MACHINE = (  # keys of how a machine computes, which a paper does not set; precision is another matter
    *("trainer.accelerator", "trainer.devices", "trainer.num_threads", "trainer.channels_last", "trainer.compile"),
    *("trainer.deterministic", "trainer.predict_batch_size"),
)
FIRST = ("dataset", "model", "acquisition", "method")  # keys that are said first: another option says most
NOTHING = "nothing"
OPEN = "FILE"  # a place that a recipe leaves to whoever runs it: that of a backbone's weights
Leaves = Mapping[str, Any]


def departures(runs: Sequence[Leaves], recipe: Sequence[Leaves]) -> list[str]:
    """Returns what differs, as 'trainer.batch_size 32 in place of 64', and in how many runs if not in all.

    Args:
        runs: the leaves of each run, as `calrun.report.read.configuration` gives them.
        recipe: those of each run of the recipe; a run is compared with the nearest of them.
    """
    found: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, own in enumerate(runs):
        for key, values in nearest(own, recipe).items():
            found[values][key].add(number)
    said = [sentence for values, by_key in found.items() for sentence in sentences(values, by_key, len(runs))]
    return sorted(said, key=lambda sentence: sentence.split()[0] not in FIRST)


def nearest(own: Leaves, recipe: Sequence[Leaves]) -> dict[str, tuple[str, str]]:
    """Returns the differences between a run and the recipe's most similar one, of the same method if there is one."""
    same = [planned for planned in recipe if planned["choices.method"] == own["choices.method"]]
    return min((differences(own, planned) for planned in same or recipe), key=len)


def differences(own: Leaves, planned: Leaves) -> dict[str, tuple[str, str]]:
    """Returns, by key, what came and what was wanted; if another option was chosen, only its name."""
    blocks = {block_of(key) for key in planned}
    keys = [key for key in {**planned, **own} if block_of(key) in blocks and key not in (*STATED, *MACHINE)]
    keys = [key for key in keys if planned.get(key) != OPEN]
    found = {key: (told(own, key), told(planned, key)) for key in keys if repr(own.get(key)) != repr(planned.get(key))}
    others = {name.removeprefix("choices.") for name in found if name.startswith("choices.")}
    return {
        key.removeprefix("choices."): values
        for key, values in found.items()
        if key.startswith("choices.") or block_of(key) not in others
    }


def sentences(values: tuple[str, str], by_key: Mapping[str, set[int]], num_runs: int) -> Iterable[str]:
    """Yields a sentence for each change between two values; keys that change in the same runs are copies of one."""
    changed: dict[frozenset[int], list[str]] = defaultdict(list)
    for key, members in by_key.items():
        changed[frozenset(members)].append(key)
    came, wanted = values
    for concerned, keys in changed.items():
        key = min(keys, key=source_first)
        some = f" ({len(concerned)} of {num_runs} runs)" if len(concerned) < num_runs else ""
        yield f"{printable(key)} {came} in place of {wanted}{some}"


def told(leaves: Leaves, key: str) -> str:
    return short_value(leaves[key]) if key in leaves else NOTHING


def block_of(key: str) -> str:
    """Returns the top-level part that a key belongs to; the names of the data's files go with the data set."""
    block = key.partition(".")[0]
    return "dataset" if block == "data" else block
