"""The images: read, checked, and split once and for all into training, validation and test set."""

import hashlib
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study.errors import StudyError
from study.files import PROJECT
from study.reading import MEBIBYTE, read_bytes, unpack

BUNDLED = PROJECT / "resources/mnist"
# By name, the SHA-256 of the unpacked file of MNIST. The MD5 sums, the ones in circulation, are compared in the tests.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
VALIDATION_IMAGES = 5_000
CLASSES = 10
# Twenty times the images of MNIST.
MOST_BYTES = 1024 * MEBIBYTE


@dataclass(frozen=True)
class Split:
    """Images, uint8, shape (n, height, width), and their labels, uint8, shape (n,), values 0 to 9."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set with its fixed split: the last 5,000 training images are held out for validation.

    `digest` is the SHA-256 of the images and labels themselves, so the same data has the same digest whether it came
    from IDX files, packed or not, or from Keras.
    """

    train: Split
    validation: Split
    test: Split
    digest: str


def load(source: str) -> Dataset:
    """Load `source`: `mnist` (the bundled files), `keras` (Keras's download of MNIST), or a folder of four IDX files.

    Raises:
        StudyError: a file is missing, damaged, not IDX, or does not fit the others.
    """
    if source == "keras":
        return _dataset(_keras_arrays(), "keras")
    paths = source_files(source)
    contents = [_read(path) for path in paths]
    if source == "mnist":
        for path, content, known in zip(paths, contents, FILES.values(), strict=True):
            found = hashlib.sha256(content).hexdigest()
            if found != known:
                raise StudyError(
                    f"{path}: not the MNIST file it should be (content has SHA-256 {found[:12]}…, known is "
                    f"{known[:12]}…); restore it, e.g. `git checkout -- resources/mnist`"
                )
    arrays = [_parse_idx(path, content) for path, content in zip(paths, contents, strict=True)]
    return _dataset(arrays, str(paths[0].parent))


def source_files(source: str) -> list[Path]:
    """The four files behind `source`, packed or not; none for `keras`, which has its own cache.

    Raises:
        StudyError: the folder or one of its files does not exist.
    """
    if source == "keras":
        return []
    folder = BUNDLED if source == "mnist" else Path(source)
    if source == "mnist" and not folder.is_dir():
        raise StudyError(
            "data.source: 'mnist', the bundled images, come with a checkout of the project and not with an installed "
            "package; allowed here: keras, or a folder with four IDX files"
        )
    if not folder.is_dir():
        raise StudyError(f"data.source: no folder {source!r}; allowed: mnist, keras, or a folder with four IDX files")
    paths = []
    for name in FILES:
        path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
        if path is None:
            raise StudyError(f"{folder}: {name}.gz is missing; the folder needs {', '.join(f'{n}.gz' for n in FILES)}")
        paths.append(path)
    return paths


def _read(path: Path) -> bytes:
    content = read_bytes(path, MOST_BYTES)
    return unpack(path, content, MOST_BYTES) if path.suffix == ".gz" else content


def _parse_idx(path: Path, content: bytes) -> np.ndarray:
    """Parse IDX: two zero bytes, type 0x08 (uint8), the number of dimensions, big-endian sizes, then the values."""
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise StudyError(f"{path}: not an IDX file of bytes (it starts with {content[:4].hex()!r}, expected 000008..)")
    dimensions = content[3]
    if not 1 <= dimensions <= 3:
        raise StudyError(f"{path}: has {dimensions} dimensions; images have 3 and labels 1")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise StudyError(f"{path}: truncated; its header of {header} bytes ends after {len(content)}")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise StudyError(
            f"{path}: of a wrong length; its header promises shape {shape}, {len(content) - header} bytes follow"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _keras_arrays() -> list[np.ndarray]:
    import keras

    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:
        # Keras wraps whatever went wrong on the network or in its cache in exceptions of many kinds.
        raise StudyError(
            f"data.source: keras: the download failed ({error}); use `mnist`, the bundled copy of the same data"
        ) from None
    return [*train, *test]


def _dataset(arrays: list[np.ndarray], source: str) -> Dataset:
    train_images, train_labels, test_images, test_labels = arrays
    for images, labels, name in ((train_images, train_labels, "train"), (test_images, test_labels, "t10k")):
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise StudyError(
                f"{source}: {name} images have shape {images.shape} and labels {labels.shape}; "
                "needed are (n, height, width) and (n,)"
            )
        if labels.size and labels.max() >= CLASSES:
            raise StudyError(f"{source}: {name} labels reach {labels.max()}; allowed are 0 to {CLASSES - 1}")
    if not train_images[0:1].size:
        raise StudyError(f"{source}: train images are of size {train_images.shape[1:]}; they need a pixel at least")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise StudyError(
            f"{source}: train images are of size {train_images.shape[1:]}, t10k images of {test_images.shape[1:]}; "
            "both must be of one size"
        )
    if not len(test_images):
        raise StudyError(f"{source}: no t10k images; at least one is needed")
    if len(train_images) <= VALIDATION_IMAGES:
        raise StudyError(f"{source}: {len(train_images)} training images; more than {VALIDATION_IMAGES} are needed")
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    cut = len(train_images) - VALIDATION_IMAGES
    return Dataset(
        train=Split(train_images[:cut], train_labels[:cut]),
        validation=Split(train_images[cut:], train_labels[cut:]),
        test=Split(test_images, test_labels),
        digest=digest.hexdigest(),
    )
