"""The page on paper, as a browser prints it."""

import os
import shutil
import subprocess
from pathlib import Path

from study.errors import StudyError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120
"""Seconds after which a browser that prints nothing has failed."""


def printed(page: Path) -> Path:
    """Print a page to a PDF beside it, its folded parts too.

    Raises:
        StudyError: there is no browser to print with, or it failed.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise StudyError(
            f"a PDF needs Chromium or Chrome, and none of {', '.join(BROWSERS)} is on the path; install one, or open "
            f"{page} in any browser and print it"
        )
    target = page.with_suffix(".pdf")
    # Root has no sandbox; nothing but our own page is opened.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    options = ["--headless=new", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}"]
    command = [browser, *options, *sandbox, page.resolve().as_uri()]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    except (subprocess.SubprocessError, OSError) as error:
        raise StudyError(f"{browser} did not print {page} ({error}); open it in any browser and print it") from error
    if not target.exists():
        raise StudyError(f"{browser} did not write {target}; open {page} in any browser and print it")
    return target
