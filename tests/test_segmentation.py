"""A class for each pixel, as a user types it: drawn shapes, a small network, scores that fit, and what does not."""

import json
import re
from collections.abc import Callable
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from calrun.acquisition.base import Candidates
from calrun.dataset.read.mask_file import MaskCode
from calrun.dataset.source.paired import Paired
from calrun.dataset.source.subset import Subset
from calrun.model.adapt.mode import in_mode
from calrun.network.load import load

DRAW = Path(__file__).parents[1] / "scripts" / "make_shapes.py"
CLASSES = "dataset.mask.classes=[ground,disc,square,triangle,stripe]"
SCORES = (
    ("entropy",),
    ("margin",),
    ("least_confidence",),
    ("bald", "acquisition.num_mc_samples=3"),
    ("mc_dropout", "acquisition.num_mc_samples=3"),
    ("tod",),
    ("fass",),
    ("cluster_margin",),
    ("coreset",),
    ("kmeans",),
    ("core_gcn", "acquisition.graph.steps=5"),
    ("boosting",),
    ("subset_of", "acquisition.size=12"),
    ("random",),
)


def draw(folder: Path, train: int, test: int) -> Path:
    spec = spec_from_file_location("make_shapes", DRAW)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.draw_shapes(folder, {"train": train, "test": test})
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 training pictures of 48 x 48 pixels."""
    return draw(tmp_path_factory.mktemp("few"), 24, 8)


def words(folder: Path, *more: str) -> tuple[str, ...]:
    """A run with a small network."""
    return (
        "run", "dataset=mask_folder", f"dataset.root={folder}", CLASSES, "dataset.num_workers=0", "model=small_fcn",
        "trainer=cpu", "optimizer.lr=0.003", *more,
    )  # fmt: skip


def tiny(folder: Path, *more: str) -> tuple[str, ...]:
    """Two rounds of two epochs at a third of the size."""
    sizes = ("dataset.picture.size=[16,16]", "model.width=4", "model.dropout=0.3", "trainer.batch_size=4")
    rounds = ("budget=explicit", "budget.labels=[8,12]", "trainer.max_epochs=2", "trainer.cal_epochs=2")
    return words(folder, *sizes, *rounds, *more)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", [pytest.param("al", marks=pytest.mark.slow), "cal_er"])
@pytest.mark.parametrize("score", SCORES, ids=lambda score: "-".join(score[:2]))
def test_every_score_that_fits_plays(
    score: tuple[str, ...],
    method: str,
    few: Path,
    calrun: Callable[..., Any],
    run_folder: Callable[[], Path],
    empty_cache: Path,
) -> None:
    answer = calrun(*tiny(few, f"method={method}", f"acquisition={score[0]}", *score[1:]))
    assert answer.code == 0, answer.err
    lines = lines_of(run_folder())
    assert [line["labelled"] for line in lines] == [8, 12]
    assert all(0 < line["test"]["test"]["mean_iou"] <= line["test"]["test"]["accuracy"] for line in lines)
    assert sum(lines[1]["class_counts"]) <= 12 * 16 * 16


@pytest.mark.parametrize("option", ["entropy", "mc_dropout", "tod"])
def test_a_run_buys_by_the_mean_over_pixels(
    option: str,
    few: Path,
    configure: Callable[..., Any],
    play_in: Callable[..., Any],
    tmp_path: Path,
    empty_cache: Path,
) -> None:
    checked = []

    def prepare(exp: Any) -> None:
        select = exp.acquisition.select

        def told(candidates: Candidates, budget: int, rng: np.random.Generator) -> np.ndarray:
            rows: np.ndarray = select(candidates, budget, rng)
            score_N, *differ_N = candidates.column("pixel_score").unbind(dim=1)
            assert "logits" not in candidates.columns
            assert len(differ_N) == (option == "mc_dropout")
            assert all(each_N.bool().all() for each_N in differ_N)
            if option != "mc_dropout":
                _, x = next(iter(exp.data.train.batches(candidates.rows, len(candidates))))
                torch.testing.assert_close(score_N, literal(option, x, exp.method.net, exp.method.previous))
            if option != "tod" or len(checked):  # whose first round is random
                assert rows.tolist() == candidates.rows[score_N.argsort(descending=True)][:budget].tolist()
            checked.append(rows)
            return rows

        exp.acquisition.select = told

    words = (f"acquisition={option}", "method=al", "budget.labels=[8,12,16]")
    play_in(tmp_path / "run", configure(*tiny(few, *words)[1:], small=False), prepare=prepare)
    assert len(checked) == 2


@torch.no_grad()
def literal(option: str, x: Tensor, net: Any, previous: Any) -> Tensor:
    """The mean over pixels, of their entropy or of half the squared distance of two networks' probabilities (N,)."""
    with in_mode(net, training=False):
        p = net(x).logits_BC.softmax(dim=1)
    if option == "entropy":
        return -(p * p.log()).sum(dim=1).mean(dim=(1, 2))
    with in_mode(previous, training=False):
        before = previous(x).logits_BC.softmax(dim=1)
    return ((p - before) ** 2).sum(dim=1).mean(dim=(1, 2)) / 2


@pytest.mark.parametrize("method", ["cal_der", "cal_mir", "cal_sd", "cal_sds2", "lp_ft", "al_ws"])
def test_every_way_of_training_plays(
    method: str, few: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path], empty_cache: Path
) -> None:
    more = ("acquisition=margin", "record.dynamics=true", "record.accuracy_by_round=true", "record.test_entropy=true")
    answer = calrun(*tiny(few, f"method={method}", *more, "val_fraction=0.2"))
    assert answer.code == 0, answer.err
    lines = lines_of(run_folder())
    assert len(lines[1]["accuracy_by_round"]) == 2
    assert 0 < lines[1]["validation"]["mean_iou"] < 1


def test_a_run_has_a_plan_and_its_network_predicts_and_selects_new_pictures(
    few: Path,
    calrun: Callable[..., Any],
    run_folder: Callable[[], Path],
    empty_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for option, num_passes in (("entropy", 1), ("mc_dropout", 10), ("tod", 2)):
        planned = calrun("plan", *tiny(few)[1:], f"acquisition={option}", "--json")
        assert planned.code == 0, planned.err
        one, first = json.loads(planned.out), json.loads(planned.out)["rounds"][1]
        assert first["score"]["flops"] == pytest.approx(num_passes * first["score"]["rows"] * one["forward_flops"])
        assert first["select"]["name"] == {"tod": "Tod"}.get(option, "Entropy")
    assert calrun(*tiny(few)).code == 0
    answer = calrun("predict", str(run_folder()), str(few / "test" / "pictures"))
    assert answer.code == 0, answer.err
    answer = calrun(
        "select", str(run_folder()), str(few / "test" / "pictures"), "--acquisition", "margin", "--budget", "3"
    )
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("task=classification",), r"task=classification wants one class for each row, .* have shape \(16, 16\)"),
        (
            ("model=cnn",),
            r"this model gives logits of shape \(5,\) for each row; choose model=small_fcn",
        ),
        (("acquisition=mase",), r"acquisition=\w+ looks at one class for each row"),
        (("acquisition=deepfool",), r"acquisition=DeepFool looks at one class for each row"),
        (("acquisition=head_dropout",), r"acquisition=HeadDropout looks at one class for each row"),
        (
            ("acquisition=boosting", "acquisition.scheme=expected_length"),
            r"acquisition=Boosting looks at one class for each row",
        ),
        (
            ("acquisition=subset_of", "acquisition@acquisition.inner=deepfool"),
            r"acquisition=SubsetOf looks at one class for each row",
        ),
        (("acquisition=balanced_random",), r"acquisition=BalancedRandom looks at one class for each row"),
        (("initial=class_balanced",), r"initial=\w+ looks at one class for each row"),
        (("acquisition=badge",), r"acquisition=Badge looks at one class for each row"),
        (("acquisition=batch_bald",), r"acquisition=BatchBald looks at one class for each row"),
        (
            ("acquisition=fass", "acquisition.per_pseudo_class=true"),
            r"acquisition=Fass looks at one class for each row",
        ),
        (("acquisition=partitioned_badge",), r"acquisition=Partitioned looks at one class for each row"),
        (("acquisition=bald", "model.dropout=0"), r"acquisition=Bald wants a network with dropout"),
        (("acquisition=mc_dropout", "model.dropout=0"), r"acquisition=Entropy wants a network with dropout"),
        (("acquisition=tod", "acquisition.weight=0.1"), r"acquisition.weight above 0 trains a second head .* set acq"),
        (("method=svpp",), r"method: a proxy learns one class of each row .* choose a method that trains one network"),
        (("method=asvp",), r"method: a proxy learns one class of each row"),
        (
            ("record.metrics=[matthews]",),
            r"record.metrics wants to be empty with task=Segmentation, got \['matthews'\]",
        ),
        (("record.metrics=[ece]",), r"record.metrics wants to be empty with task=Segmentation, got \['ece'\]"),
        (("stop_al=variance_model",), r"record.stop_set=2000 wants one class for each row"),
        (
            ("acquisition=learning_loss", "acquisition.head.taps=[layr1]"),
            r"acquisition.head.taps: tap 'layr1' is no module of the backbone; choose from \['both'",
        ),
        (("dataset.root=nowhere",), r"no folder nowhere/train/pictures"),
        (("dataset.picture.size=[16]",), r"dataset.picture.size wants height and width"),
        (("dataset.picture.size=16",), r"dataset.picture.size wants a list"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_fit(
    more: tuple[str, ...], said: str, few: Path, refusal: Callable[..., str], empty_cache: Path, tmp_path: Path
) -> None:
    assert re.search(said, refusal(*tiny(few, *more)))
    assert not list(tmp_path.rglob("rounds.jsonl"))


def test_pixels_are_no_task_of_classes_of_rows(refusal: Callable[..., str], small: tuple[str, ...]) -> None:
    assert "wants a class for each pixel" in refusal("run", *small, "task=segmentation")
    said = refusal("run", *small, "model=small_fcn")
    assert "wants one row of logits for each row, but this model gives logits of the shape (10, 8, 8)" in said


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    few: Path,
    calrun: Callable[..., Any],
    tmp_path: Path,
    result_of: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
    empty_cache: Path,
) -> None:
    more = ("method=cal_er", "trainer.checkpoint_every_seconds=0", "acquisition=tod")
    results = []
    for name in ("whole", "broken"):
        outputs = f"paths.outputs={tmp_path / name}"
        if name == "broken":
            stop_in_the_third_epoch(monkeypatch, partial(calrun, *tiny(few, *more), outputs))
        assert calrun(*tiny(few, *more), outputs).code == 0
        (config,) = (tmp_path / name).rglob("config.yaml")
        results.append(result_of(config.parent))
    assert results[0] == results[1]


def stop_in_the_third_epoch(monkeypatch: pytest.MonkeyPatch, play: Callable[[], Any]) -> None:
    from calrun.method.fit.fit import EpochKeeper

    ended, end = [0], EpochKeeper.on_train_epoch_end

    def counted(self: EpochKeeper, *arguments: Any) -> None:
        end(self, *arguments)
        ended[0] += 1
        if ended[0] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EpochKeeper, "on_train_epoch_end", counted)
        play()
    assert ended[0] == 3


@pytest.fixture
def unpaired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirrors pictures without their masks."""
    both = Paired.read_both

    def picture_alone(self: Paired, path: Path, mask: Path, code: MaskCode, rng: np.random.Generator) -> Tensor:
        pixels = both(self, path, mask, code, rng)
        return torch.cat([pixels[:3].flip(-1), pixels[3:]])

    monkeypatch.setattr(Paired, "read_both", picture_alone)


def trained(folder: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path]) -> float:
    """The mean IoU of 256 drawn pictures, all labelled."""
    size = ("dataset.picture.size=[48,48]", "budget=explicit", "budget.labels=[256]", "trainer.max_epochs=16")
    answer = calrun(*words(folder, *size))
    assert answer.code == 0, answer.err
    iou: float = lines_of(run_folder())[-1]["test"]["test"]["mean_iou"]
    return iou


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_drawn_shapes_are_learnt(
    tmp_path: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path], empty_cache: Path
) -> None:
    assert trained(draw(tmp_path / "shapes", 256, 64), calrun, run_folder) >= 0.8


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("unpaired")
def test_pictures_mirrored_without_their_masks_are_not_learnt(
    tmp_path: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path], empty_cache: Path
) -> None:
    assert trained(draw(tmp_path / "shapes", 256, 64), calrun, run_folder) < 0.5


def test_masks_travel_with_their_pictures_and_are_never_gathered_for_the_device(
    few: Path, configure: Callable[..., Any], play_in: Callable[..., Any], tmp_path: Path, empty_cache: Path
) -> None:
    gathered, methods = list[Any](), list[Any]()

    def prepare(exp: Any) -> None:
        known = exp.pool.known_targets
        exp.pool.known_targets = lambda: gathered.append(1) or known()
        methods.append(exp.method)

    play_in(tmp_path / "run", configure(*tiny(few, "method=cal_er")[1:], small=False), prepare=prepare)
    assert not gathered
    assert methods[0].known_targets_N.numel() == 0
    assert methods[0].setup_.train.brings_labels
    assert Subset(methods[0].setup_.train, np.arange(3)).brings_labels


def test_predict_writes_the_class_of_each_pixel_and_takes_the_place_of_what_it_wrote(
    few: Path, calrun: Callable[..., Any], run_folder: Callable[[], Path], empty_cache: Path, tmp_path: Path
) -> None:
    assert calrun(*tiny(few, "acquisition=random")).code == 0
    out = tmp_path / "seen.csv"
    words = ("predict", str(run_folder()), str(few / "test" / "pictures"), "--out", str(out))
    answer = calrun(*words)
    assert answer.code == 0, answer.err
    assert f"{out} and {tmp_path / 'seen-masks'}/*.png  8 rows, 5 classes" in answer.out
    masks = sorted((tmp_path / "seen-masks").rglob("*.png"))
    assert len(masks) == 8
    pixels = np.stack([np.asarray(Image.open(path)) for path in masks])
    assert (pixels.dtype, pixels.shape) == (np.uint8, (8, 16, 16))
    assert pixels.max() < 5
    trained = load(run_folder())
    rows = trained.rows(few / "test" / "pictures")
    seen = trained.predictor(trained.net, rows, np.arange(8), {"logits": lambda seen: seen.output.logits_BC})["logits"]
    np.testing.assert_array_equal(pixels, seen.argmax(dim=1).numpy())
    (tmp_path / "seen-masks" / "old.png").touch()
    assert calrun(*words).code == 0
    assert sorted((tmp_path / "seen-masks").rglob("*.png")) == masks
    (tmp_path / "seen-masks" / "notes.txt").touch()
    refused = calrun(*words)
    assert refused.code == 2
    assert "holds other things than masks" in refused.err
    assert not list(tmp_path.glob(".*part"))
