from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from calrun.dataset.jpeg_npz import load
from calrun.dataset.source.transform import Transform

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def joined(labels: np.ndarray) -> dict[str, np.ndarray]:
    """One 8x8 picture per label, of grey value 40 times the label."""
    files = []
    for label in labels:
        file = BytesIO()
        Image.new("RGB", (8, 8), (40 * int(label),) * 3).save(file, "JPEG")
        files.append(file.getvalue())
    offsets = np.cumsum([0, *map(len, files)])
    return {"jpeg": np.frombuffer(b"".join(files), np.uint8), "offsets": offsets, "labels": labels}


def saved(tmp_path: Path, arrays: dict[str, np.ndarray]) -> str:
    np.savez(tmp_path / "p.npz", **arrays)
    return str(tmp_path / "p.npz")


def prefixed() -> dict[str, np.ndarray]:
    return {f"{split}_{name}": array for split in ("train", "test") for name, array in joined(LABELS).items()}


def divided() -> dict[str, np.ndarray]:
    more = {"classes": np.array(["ant", "bee", "cow"]), "names": np.array([f"{i}.jpg" for i in range(6)])}
    return {**joined(LABELS), "split": np.array([0, 0, 0, 1, 0, 1]), **more}


def test_prefixed_splits_are_decoded(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, prefixed()), Transform([0.0], [1.0]), None, [])
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.input_shape) == (6, 6, (3, 8, 8))
    ((_, x),) = dataset.train.batches(np.array([5, 0]), 2)
    torch.testing.assert_close(x.mean((1, 2, 3)), torch.tensor([80 / 255, 0.0]), atol=0.01, rtol=0)


def test_a_split_column_divides_one_list_of_pictures(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, divided()), Transform([0.0], [1.0]), 4, [])
    np.testing.assert_array_equal(dataset.train.targets, [0, 1, 2, 1])
    np.testing.assert_array_equal(dataset.tests["test"].targets, [0, 2])
    assert (dataset.class_names, dataset.input_shape) == (["ant", "bee", "cow"], (3, 4, 4))
    assert dataset.train.item_id(3) == "4.jpg"


def test_pictures_without_a_label_stay_in_train_also_where_classes_are_dropped(tmp_path: Path) -> None:
    arrays = divided()
    arrays["labels"] = np.array([-1, 1, 2, 0, 0, 2])
    dataset = load(saved(tmp_path, arrays), Transform([0.0], [1.0]), None, ["bee"])
    np.testing.assert_array_equal(dataset.train.targets, [-1, 1, 0])
    assert dataset.tests["test"].item_id(1) == "5.jpg"


def test_dropped_classes_leave_and_the_others_are_renumbered(tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, divided()), Transform([0.0], [1.0]), None, ["bee"])
    assert dataset.class_names == ["ant", "cow"]
    np.testing.assert_array_equal(dataset.train.targets, [0, 1])
    assert dataset.train.item_id(1) == "2.jpg"
    ((_, x),) = dataset.train.batches(np.array([1]), 1)
    assert abs(float(x.mean()) - 80 / 255) < 0.01


def test_classes_without_names_are_dropped_by_number(tmp_path: Path) -> None:
    assert load(saved(tmp_path, prefixed()), Transform([0.0], [1.0]), None, [0]).class_names == ["1", "2"]


def without(arrays: dict[str, np.ndarray], *names: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if name not in names}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (without(prefixed(), "test_jpeg", "test_offsets"), r"but not \['test_jpeg', 'test_offsets'\]"),
        (joined(LABELS), r"holds \['jpeg', 'labels', 'offsets'\] but not \['train_jpeg'.*or once with `split`"),
        ({**divided(), "split": np.zeros(6, int)}, "has no test pictures; give it a test split"),
        ({**divided(), "labels": LABELS[:5]}, "5 labels need"),
        ({**divided(), "split": np.zeros(5, int)}, "6 labels need"),
        ({**divided(), "split": np.full(6, 2)}, r"split holds \[2\]; wanted are 0 \(train\) and 1 \(test\)"),
        ({**divided(), "offsets": np.arange(7.0)}, "with offsets of type float64; wanted are the files' bytes"),
        ({**divided(), "names": np.array(["one"])}, "the archive names 1 pictures, but has 5 or more"),
        ({**divided(), "classes": np.array(["ant", "bee", "ant"])}, r"several classes \(first: \['ant'\]\)"),
        ({**divided(), "labels": LABELS + 1}, "subtract 1 from the labels of every split"),
        ({**divided(), "classes": np.array(["ant", "bee"])}, r"labels outside 0\.\.1"),
        ({**divided(), "classes": np.array(list("abcd"))}, r"no training row \(first: \[3\]\)"),
    ],
)
def test_faulty_archives_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path, arrays), Transform([0.0], [1.0]), None, [])


def test_classes_are_not_dropped_until_none_is_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"leaves 1 of \['0', '1', '2'\]; at least 2 are wanted"):
        load(saved(tmp_path, prefixed()), Transform([0.0], [1.0]), None, [0, 1])


def test_dropping_an_unknown_class_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names \['fox'\], but the classes are \['ant', 'bee', 'cow'\]"):
        load(saved(tmp_path, divided()), Transform([0.0], [1.0]), None, ["fox"])


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not (DATA / "cifar10_jpeg.npz").is_file(), reason=f"{DATA}/cifar10_jpeg.npz is absent")
def test_cifar10_as_jpeg_loads_with_known_statistics() -> None:
    dataset = load(str(DATA / "cifar10_jpeg.npz"), Transform(None, None), None, [])
    assert (len(dataset.train), len(dataset.tests["test"]), dataset.input_shape) == (50_000, 10_000, (3, 32, 32))
    transform = dataset.train.transform  # type: ignore[attr-defined]
    torch.testing.assert_close(transform.mean, torch.tensor([0.4913, 0.4821, 0.4465]), atol=2e-4, rtol=0)
    torch.testing.assert_close(transform.std, torch.tensor([0.2452, 0.2428, 0.2606]), atol=2e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(
    not (DATA / "caltech101_s96_jpeg.npz").is_file(), reason=f"{DATA}/caltech101_s96_jpeg.npz is absent"
)
def test_caltech101_loads_without_its_background_class() -> None:
    dataset = load(str(DATA / "caltech101_s96_jpeg.npz"), Transform(None, None), 32, ["BACKGROUND_Google"])
    assert (dataset.num_classes, dataset.input_shape) == (101, (3, 32, 32))
    assert dataset.class_names[0] == "Faces"
    assert dataset.train.item_id(0).startswith("Faces/")
