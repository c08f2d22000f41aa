from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calrun.dataset.read.archive import decode_jpeg, read_npz


def test_wanted_and_optional_arrays_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.arange(2), z=np.arange(1))
    arrays = read_npz(tmp_path / "a.npz", ["x"], ["y", "absent"])
    assert sorted(arrays) == ["x", "y"]
    np.testing.assert_array_equal(arrays["x"], [0, 1, 2])


def test_a_missing_file_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*absent\.npz; a \.npz archive with x, y is wanted there"):
        read_npz(tmp_path / "absent.npz", ["x", "y"])


def test_missing_arrays_are_listed_beside_the_found_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(1), labels=np.zeros(1))
    with pytest.raises(ValueError, match=r"holds \['images', 'labels'\] but not \['x', 'y'\]"):
        read_npz(tmp_path / "a.npz", ["x", "y", "labels"])


def damaged(kind: str, path: Path) -> None:
    np.savez_compressed(path, x=np.random.default_rng(0).random(5_000))
    content = bytearray(path.read_bytes())
    if kind == "bytes changed":
        content[len(content) // 2] ^= 255
    path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"not a zip"}.get(kind, content))


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "bytes changed"])
def test_a_corrupt_archive_is_one_sentence(tmp_path: Path, kind: str) -> None:
    damaged(kind, tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz is no sound \.npz archive"):
        read_npz(tmp_path / "a.npz", ["x"])


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"no sound .npz archive \(x holds Python objects"):
        read_npz(tmp_path / "a.npz", ["x"])


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"it is one array, as np.save writes it\); save it again, .* with np.savez"):
        read_npz(tmp_path / "a.npy", ["x"])


def test_a_folder_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a folder is at .*; a \.npz archive with x is wanted there"):
        read_npz(tmp_path, ["x"])


def joined(*sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    files = []
    for number, size in enumerate(sizes):
        file = BytesIO()
        Image.new("RGB", size, (40 * number, 0, 0)).save(file, "JPEG")
        files.append(file.getvalue())
    return np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)])


def test_chosen_pictures_are_decoded_in_order() -> None:
    jpeg, offsets = joined((6, 4), (6, 4), (6, 4))
    pictures = decode_jpeg("a.npz", jpeg, offsets, np.array([2, 0]), None)
    assert pictures.shape == (2, 3, 4, 6)
    np.testing.assert_allclose(pictures[:, 0].mean((1, 2)), [80, 0], atol=2)


def test_different_sizes_need_one_wanted_size() -> None:
    jpeg, offsets = joined((6, 4), (4, 6))
    with pytest.raises(ValueError, match=r"a\.npz: picture 1 is 6 x 4 pixels, the first is 4 x 6; set dataset\.size"):
        decode_jpeg("a.npz", jpeg, offsets, np.arange(2), None)
    assert decode_jpeg("a.npz", jpeg, offsets, np.arange(2), 4).shape == (2, 3, 4, 4)


def test_a_wanted_size_is_the_centre_and_never_a_squeezed_picture() -> None:
    banded = Image.new("RGB", (64, 32))
    banded.paste((255, 255, 255), (16, 0, 48, 32))  # the centre square alone is white
    file = BytesIO()
    banded.save(file, "JPEG", quality=95)
    jpeg = np.frombuffer(file.getvalue(), np.uint8)
    (picture,) = decode_jpeg("a.npz", jpeg, np.array([0, len(jpeg)]), np.arange(1), 8)
    assert picture.shape == (3, 8, 8)
    assert picture.min() > 200


def test_an_unreadable_picture_is_numbered() -> None:
    jpeg, offsets = joined((6, 4), (6, 4))
    broken = jpeg.copy()
    broken[offsets[1] : offsets[1] + 50] = 0
    with pytest.raises(ValueError, match=r"a\.npz: picture 1 cannot be read"):
        decode_jpeg("a.npz", broken, offsets, np.arange(2), None)


def test_offsets_beyond_the_bytes_are_refused() -> None:
    jpeg, offsets = joined((6, 4))
    with pytest.raises(ValueError, match="offsets must rise from 0"):
        decode_jpeg("a.npz", jpeg, offsets + np.array([0, 1]), np.arange(1), None)
