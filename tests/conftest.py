"""Fixtures of more than one test module."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.design.plan import Plan
from study.trainers.mnist import data
from study.trainers.mnist.job import prepare_tensorflow
from tests.examples import idx_bytes, planned, resolved

BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# One thread, as in every run: with more, sums are split otherwise and the bits change.
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")


@pytest.fixture(scope="session", autouse=True)
def tensorflow_as_in_a_run() -> None:
    """Prepared before any test starts it: TensorFlow takes its settings once a process, whichever test comes first."""
    if "tensorflow" in sys.modules:
        prepare_tensorflow()


@pytest.fixture(scope="session")
def small_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four unpacked IDX files: 400 + 5,000 training and 500 test images of MNIST, every other row and column."""
    folder = tmp_path_factory.mktemp("images")
    mnist = data.load("mnist")
    arrays = (
        mnist.train.images[:5400, ::2, ::2],
        mnist.train.labels[:5400],
        mnist.test.images[:500, ::2, ::2],
        mnist.test.labels[:500],
    )
    for name, array in zip(data.FILES, arrays, strict=True):
        (folder / name).write_bytes(idx_bytes(array))
    return folder


@pytest.fixture
def small_plan() -> Plan:
    """bn {none, keras} x dropout {0.0, 0.3} x 3 seeds, of images that nobody has."""
    return planned(resolved())


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium; one a process, as Playwright allows no second loop."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=list(BROWSER_ARGUMENTS))
        yield chromium
        chromium.close()
