"""calrun as its user types it, and runs small enough to play many times."""

import faulthandler
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hypothesis import settings
from omegaconf import DictConfig, open_dict
from PIL import Image

from calrun.check.lightning import trainer_arguments
from calrun.cli import main
from calrun.experiment import Experiment, build
from calrun.folder.record import Record
from calrun.loop import run
from calrun.method.fit.fit import Fitter
from calrun.places import CONF

settings.register_profile("calrun", derandomize=True, deadline=None)  # the same examples on every machine
settings.load_profile("calrun")

SMALL = (
    "model=mlp",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.cal_epochs=2",
    "budget=counts",
    "budget.start=20",
    "budget.rounds=3",
    "dataset.num_train=200",
)
TIMES = ("seconds", "cumulative_fit_seconds", "peak_memory_bytes")


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves a test that names its own limit to that: the limit of the process is one for all and may be shorter."""
    if item.get_closest_marker("timeout"):
        faulthandler.cancel_dump_traceback_later()


class Frozen:
    """Keeps what was imported out of all collections: every fit begins with one, and 0.2 s for everything is long."""

    def __init__(self) -> None:
        self.num_modules, self.freeze = 0, gc.freeze

    def imports(self) -> None:
        """Freezes what exists if something was imported; nothing else, or what a test leaves would never be freed."""
        if len(sys.modules) != self.num_modules:
            self.num_modules = len(sys.modules)
            self.freeze()


@pytest.fixture(autouse=True, scope="session")
def nothing_twice() -> Iterator[None]:
    """What libraries do again for every run is done once: Lightning's search for plug-ins, Hydra's reading of conf.

    Hydra also composes every configuration twice, first for a mode that only words could set here. No test pulls the
    plug: files that a process has written outlive it without a sync.
    """
    Plugins.instance()  # defines the classes of sources anew
    from_files = SourcesRegistry.instance().resolve("file")
    read_file, composed_mode = from_files.load_config, Hydra.get_mode
    files: dict[tuple[str, str], ConfigResult] = {}

    def load_config(source: ConfigSource, config_path: str) -> ConfigResult:
        if Path(source.path) != CONF:
            return read_file(source, config_path)
        if (source.provider, config_path) not in files:
            files[source.provider, config_path] = read_file(source, config_path)
        return deepcopy(files[source.provider, config_path])

    def get_mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        return composed_mode(hydra, config_name, overrides) if "hydra.mode" in "".join(overrides) else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_fabric.utilities.registry.entry_points", cache(entry_points))
        patch.setattr(from_files, "load_config", load_config)
        patch.setattr(Hydra, "get_mode", get_mode)
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(gc, "freeze", Frozen().imports)
        patch.setattr(gc, "unfreeze", lambda: None)
        yield
    gc.unfreeze()  # or libraries that count their objects at exit complain of leaks


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small operations are slower on several threads, and several test processes share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def signals_of_a_shell() -> Iterator[None]:
    """Begins as in a terminal, though jobs in the background ignore Ctrl-C and nohup the end of the terminal."""
    begun = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in begun.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def small() -> tuple[str, ...]:
    """Overrides that make a run on digits take a fraction of a second."""
    return SMALL


@pytest.fixture
def calrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs the command with these words, in this process: outputs go to tmp_path/outputs."""
    for variable in ("CALRUN_DEBUG", "CALRUN_QUIET", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def typed(*words: str) -> Answer:
        elsewhere = words[0] != "run" or any(word.startswith("paths.outputs=") for word in words)
        outputs = [] if elsewhere else [f"paths.outputs={tmp_path / 'outputs'}"]
        monkeypatch.setattr("sys.argv", ["calrun", *words, *outputs])
        monkeypatch.syspath_prepend(str(tmp_path))
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        captured = capfd.readouterr()
        return Answer(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return typed


@pytest.fixture
def play(calrun: Callable[..., Answer]) -> Callable[..., Answer]:
    """Plays one small run on digits; further overrides win."""

    return lambda *overrides: calrun("run", *SMALL, *overrides)


@pytest.fixture
def refusal(calrun: Callable[..., Answer], tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must fail as a user's mistake; returns the one line that says so."""

    def refused(*words: str) -> str:
        answer = calrun(*words)
        lines = answer.err.splitlines()
        assert answer.code == 2, answer
        assert len(lines) == 1, answer.err
        assert lines[0].startswith("calrun: "), answer.err
        assert "Traceback" not in answer.out + answer.err
        return lines[0]

    return refused


@pytest.fixture
def own(small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """Writes a module `own` and an option `own` of a group; returns the words of a small run with both."""

    def written(source: str, group: str, option: str) -> tuple[str, ...]:
        (tmp_path / "own.py").write_text(source)
        monkeypatch.delitem(sys.modules, "own", raising=False)
        folder = tmp_path / "conf" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "own.yaml").write_text(option)
        return ("run", "--config-dir", str(tmp_path / "conf"), *small, f"{group}=own")

    return written


@cache
def configuration(*words: str) -> DictConfig:
    """What Hydra composes from overrides, without its own group."""
    cfg = compose("config", overrides=list(words), return_hydra_config=True)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@pytest.fixture
def configure() -> Iterator[Callable[..., DictConfig]]:
    """Composes a configuration from overrides, with the names of the chosen options."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda *overrides, small=True: deepcopy(configuration(*(SMALL if small else ()), *overrides))


@pytest.fixture
def play_in() -> Callable[..., list[dict[str, Any]]]:
    """Plays what is missing of a run in a folder, without the command; returns its rounds."""

    def played(
        folder: Path, cfg: DictConfig, every: float = 1e9, prepare: Callable[[Experiment], object] = lambda exp: None
    ) -> list[dict[str, Any]]:
        exp, record = build(cfg), Record(folder, {"run_id": "0", "data_fingerprint": "1"})
        prepare(exp)
        try:
            run(exp, record, Fitter(trainer_arguments(cfg.trainer), every, lambda *_: None))
            return record.rounds()
        finally:
            record.close()

    return played


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of 30 training and 10 test pictures: dark and bright ones; no earlier check is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 10)):
        for name, middle in (("dark", 80), ("bright", 170)):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.normal(middle, 40, (20, 20, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of one layer and 16 features, and its tokenizer: letters alone and within words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*special.values(), *letters, *(f"##{letter}" for letter in letters), "good", "bad", "very", ".", ","]
    backend = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("tiny") / "bert"
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random ViT of transformers: two layers of 16 features, patches of 8 x 8, pictures of 32 x 32."""
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("tiny") / "vit"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(image_size=32, patch_size=8, **sizes)).save_pretrained(folder)
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where calrun keeps what it can compute again, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "calrun"


def only_folder(outputs: Path) -> Path:
    """The one run folder below outputs."""
    (folder,) = [path.parent for path in outputs.rglob("config.yaml")]
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[[], Path]:
    """Returns the one run folder that a command has made."""
    return lambda: only_folder(tmp_path / "outputs")


def without_times(folder: Path) -> list[dict[str, Any]]:
    """The rounds of a run but for what a clock or the process decides."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


@pytest.fixture
def result_of() -> Callable[[Path], tuple[list[dict[str, Any]], str]]:
    """Returns a run's rounds (but for times) and picks: what must not depend on when or how often it was killed."""
    return lambda folder: (without_times(folder), (folder / "picks.csv").read_text())
