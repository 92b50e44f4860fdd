"""The images: the right ones, split as promised, and damage is told in one line."""

import ast
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from study.errors import StudyError
from study.trainers.mnist import data
from tests.examples import PROJECT, idx_bytes

FILES = tuple(data.FILES)
# The MD5 sums of the unpacked files of MNIST, as they are in circulation.
KNOWN_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.fixture(scope="session")
def mnist() -> data.Dataset:
    return data.load("mnist")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled folder, which `mnist` now means."""
    folder = tmp_path / "mnist"
    shutil.copytree(data.BUNDLED, folder)
    monkeypatch.setattr(data, "BUNDLED", folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, small_images: Path) -> Path:
    """A copy of the small images, to be damaged."""
    return Path(shutil.copytree(small_images, tmp_path / "images"))


def refusal(source: str | Path) -> str:
    with pytest.raises(StudyError) as caught:
        data.load(str(source))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


# -- the right images


@pytest.mark.parametrize("name", FILES)
def test_the_bundled_files_have_the_published_md5_sums(name: str) -> None:
    content = gzip.decompress((PROJECT / "resources/mnist" / f"{name}.gz").read_bytes())
    assert hashlib.md5(content).hexdigest() == KNOWN_MD5[name]


def test_mnist_is_split_into_55000_and_5000_and_10000(mnist: data.Dataset) -> None:
    for split, size in ((mnist.train, 55_000), (mnist.validation, 5_000), (mnist.test, 10_000)):
        assert split.images.shape == (size, 28, 28)
        assert split.labels.shape == (size,)
        assert len(split) == size
        assert split.images.dtype == split.labels.dtype == np.uint8


def test_validation_is_the_last_5000_training_images_and_the_test_set_is_t10k(mnist: data.Dataset) -> None:
    def content(name: str, header: int) -> np.ndarray:
        packed = (PROJECT / "resources/mnist" / f"{name}.gz").read_bytes()
        return np.frombuffer(gzip.decompress(packed)[header:], dtype=np.uint8)

    images = content("train-images-idx3-ubyte", 16).reshape(60_000, 28, 28)
    labels = content("train-labels-idx1-ubyte", 8)
    assert np.array_equal(mnist.train.images, images[:55_000])
    assert np.array_equal(mnist.validation.images, images[55_000:])
    assert np.array_equal(mnist.train.labels, labels[:55_000])
    assert np.array_equal(mnist.validation.labels, labels[55_000:])
    assert np.array_equal(mnist.test.images, content("t10k-images-idx3-ubyte", 16).reshape(10_000, 28, 28))
    assert np.array_equal(mnist.test.labels, content("t10k-labels-idx1-ubyte", 8))


def test_a_folder_has_the_digest_of_its_images_packed_or_not_wherever_it_lies(folder: Path, small_images: Path) -> None:
    before = data.load(str(small_images)).digest
    for name in FILES[::2]:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert {path.suffix for path in folder.iterdir()} == {"", ".gz"}
    assert data.load(str(folder)).digest == before


def test_mnist_from_a_folder_has_the_digest_of_the_bundled_files(tmp_path: Path, mnist: data.Dataset) -> None:
    for name in FILES:
        content = gzip.decompress((PROJECT / "resources/mnist" / f"{name}.gz").read_bytes())
        (tmp_path / name).write_bytes(content)
    assert data.load(str(tmp_path)).digest == mnist.digest


@pytest.mark.parametrize("name", FILES)
def test_one_changed_pixel_or_label_is_another_digest(folder: Path, small_images: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert data.load(str(folder)).digest != data.load(str(small_images)).digest


def test_images_of_another_size_are_read_with_their_size(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, shape in zip(FILES, [(5_003, 9, 7), (5_003,), (4, 9, 7), (4,)], strict=True):
        (tmp_path / name).write_bytes(idx_bytes(draw.integers(10, size=shape)))
    loaded = data.load(str(tmp_path))
    assert loaded.train.images.shape == (3, 9, 7)
    assert loaded.validation.images.shape == (5_000, 9, 7)
    assert loaded.test.images.shape == (4, 9, 7)


# -- damage to the bundled files


@pytest.mark.parametrize("name", FILES)
def test_a_bundled_file_with_a_changed_byte_is_refused(copied: Path, name: str) -> None:
    path = copied / f"{name}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    message = refusal("mnist")
    assert message.startswith(f"{path}: ")
    assert "damaged" in message


def test_a_bundled_file_that_is_whole_but_not_mnist_is_refused(copied: Path) -> None:
    path = copied / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(10_000))))
    message = refusal("mnist")
    assert message.startswith(f"{path}: not the MNIST file it should be")
    assert "`git checkout -- resources/mnist`" in message


# -- damage to a folder of files


def test_a_folder_that_does_not_exist_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "allowed: mnist, keras, or a folder" in message


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_those_that_are_needed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    message = refusal(folder)
    assert message.startswith(f"{folder}: {name}.gz is missing")
    assert all(needed in message for needed in FILES)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_gz_file_is_refused(folder: Path, kept: float) -> None:
    name = FILES[0]
    packed = gzip.compress((folder / name).read_bytes(), compresslevel=1)
    (folder / name).unlink()
    (folder / f"{name}.gz").write_bytes(packed[: int(kept * len(packed))])
    assert refusal(folder).startswith(f"{folder / name}.gz: ")


def test_a_gz_file_with_an_impossible_block_is_refused(folder: Path) -> None:
    path = folder / f"{FILES[3]}.gz"
    content = bytearray(gzip.compress((folder / FILES[3]).read_bytes()))
    # The first byte after the header of 10: the type of the block, of which there are three.
    content[10] |= 0b110
    path.write_bytes(content)
    assert refusal(folder).startswith(f"{path}: cannot be read, the file is damaged")


def test_a_gz_file_that_is_none_is_refused(folder: Path) -> None:
    path = folder / f"{FILES[3]}.gz"
    path.write_text("<html>404 Not Found</html>")
    assert refusal(folder).startswith(f"{path}: cannot be read, the file is damaged")


@pytest.mark.parametrize("kept", [0, 3, 4, 5, 7, 15, 16, 17, 100_000, -1])
def test_a_truncated_idx_file_is_refused(folder: Path, kept: int) -> None:
    path = folder / FILES[0]
    path.write_bytes(path.read_bytes()[:kept])
    message = refusal(folder)
    assert message.startswith(f"{path}: ")
    assert "not an IDX file" in message or "truncated" in message or "of a wrong length" in message


def test_an_idx_file_with_bytes_to_spare_is_refused(folder: Path) -> None:
    path = folder / FILES[1]
    path.write_bytes(path.read_bytes() + b"\0")
    assert "of a wrong length; its header promises shape (5400,), 5401 bytes follow" in refusal(folder)


@pytest.mark.parametrize("magic", [b"\x00\x00\x0d\x03", b"\x01\x00\x08\x03", b"PK\x03\x04", b"\x1f\x8b\x08\x00"])
def test_a_file_with_another_magic_number_is_refused(folder: Path, magic: bytes) -> None:
    path = folder / FILES[0]
    path.write_bytes(magic + path.read_bytes()[4:])
    message = refusal(folder)
    assert message.startswith(f"{path}: not an IDX file of bytes")
    assert magic.hex() in message


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({0: np.zeros((5_399, 14, 14))}, "train images have shape (5399, 14, 14) and labels (5400,)"),
        ({0: np.zeros(5_400)}, "train images have shape (5400,)"),
        ({3: np.full(500, 10)}, "t10k labels reach 10; allowed are 0 to 9"),
        ({2: np.zeros((500, 14, 15))}, "both must be of one size"),
        ({2: np.zeros((0, 14, 14)), 3: np.zeros(0)}, "no t10k images"),
        ({0: np.zeros((5_000, 14, 14)), 1: np.zeros(5_000)}, "5000 training images; more than 5000 are needed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_do_not_fit_each_other_are_refused(folder: Path, arrays: dict[int, np.ndarray], words: str) -> None:
    for position, array in arrays.items():
        (folder / FILES[position]).write_bytes(idx_bytes(array))
    message = refusal(folder)
    assert message.startswith(f"{folder}: ")
    assert words in message


# -- Keras's own download

TWO_LOADS = """
import os, sys
from pathlib import Path
from study.errors import StudyError
from study.trainers.mnist import data

try:
    data.load("keras")
except StudyError as error:
    print(repr(str(error)))

# Keras knows the hash of its own archive. Ours holds the same arrays, but no other archive has the bytes of that one.
from keras.src.datasets import mnist
get_file = mnist.get_file
mnist.get_file = lambda file_hash, **others: get_file(**others)
home = Path(os.environ["KERAS_HOME"])
(home / "mnist.npz").rename(home / "datasets" / "mnist.npz")
print(data.load("keras").digest)
"""


@pytest.fixture(scope="module")
def said_with_keras(tmp_path_factory: pytest.TempPathFactory, mnist: data.Dataset) -> list[str]:
    """What a process without a network says of `keras`, first with nothing in Keras's folder, then with MNIST in it."""
    home = tmp_path_factory.mktemp("keras")
    np.savez(
        home / "mnist.npz",
        x_train=np.concatenate([mnist.train.images, mnist.validation.images]),
        y_train=np.concatenate([mnist.train.labels, mnist.validation.labels]),
        x_test=mnist.test.images,
        y_test=mnist.test.labels,
    )
    nobody = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | nobody | {"KERAS_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("no_proxy", "NO_PROXY"):
        environment.pop(name, None)
    answer = subprocess.run(
        [sys.executable, "-c", TWO_LOADS], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    return answer.stdout.splitlines()[-2:]


def test_keras_without_a_network_is_told_in_one_line(said_with_keras: list[str]) -> None:
    message = ast.literal_eval(said_with_keras[0])
    assert message.startswith("data.source: keras: the download failed (")
    assert message.endswith("use `mnist`, the bundled copy of the same data")
    assert "\n" not in message


def test_keras_gives_the_digest_of_the_bundled_files(said_with_keras: list[str], mnist: data.Dataset) -> None:
    assert said_with_keras[1] == mnist.digest
