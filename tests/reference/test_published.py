"""The published reference study: its records give its tables, analysis and words again; R finds the same numbers."""

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reference import pages
from study import cli
from study.errors import StudyError
from study.store import packed
from study.store.record import Store
from tests.examples import PROJECT
from tests.oracle import FOLDER as ORACLE

REFERENCE = PROJECT / "reference/bn-on-mnist"


def published(name: str) -> Any:
    return json.loads((REFERENCE / "analysis" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def r() -> dict[str, Any]:
    """See tests/oracle/reference_study.R."""
    with gzip.open(ORACLE / "reference_study.json.gz", "rt") as stream:
        return json.load(stream)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study made again from its packed records: a folder beside a store, as a study's is."""
    results = tmp_path_factory.mktemp("again") / "results"
    folder = results / "bn-on-mnist"
    folder.mkdir(parents=True)
    shutil.copy(REFERENCE / "design.json", folder)
    design, store = str(folder / "design.json"), ["--store", str(results / "runs")]
    runs, curves = str(folder / "runs.parquet"), str(folder / "curves.parquet")
    for command in (
        ["unpack", str(REFERENCE), *store],
        ["collect", design, *store, "--out", str(folder)],
        ["explain", design, "--runs", runs, *store, "--out", str(folder)],
        ["analyze", runs, "--design", design, "--curves", curves, "--out", str(folder / "analysis")],
        ["report", str(folder), "--figures", str(folder / "figures")],
    ):
        assert cli.main(command) == 0, command
    return folder


def assert_close(found: Any, expected: Any, where: str) -> None:
    """Equal but for rounding: another processor adds in another order, and optimised values keep some of that."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for name in expected:
            assert_close(found[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for position, pair in enumerate(zip(found, expected, strict=True)):
            assert_close(*pair, f"{where}[{position}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-9), where
    else:
        assert found == expected, where


def test_the_published_tables_are_those_of_the_records(again: Path) -> None:
    for name in ("runs", "curves", "statistics_gap"):
        table, expected = (pd.read_parquet(folder / f"{name}.parquet") for folder in (again, REFERENCE))
        pd.testing.assert_frame_equal(table, expected, rtol=1e-12)
    assert len(pd.read_csv(REFERENCE / "runs.csv")) == 600


def test_the_published_analysis_is_that_of_the_records(again: Path) -> None:
    names = sorted(path.name for path in (REFERENCE / "analysis").glob("*.json"))
    assert names == sorted(path.name for path in (again / "analysis").glob("*.json"))
    assert len(names) > 15
    for name in (*(f"analysis/{name}" for name in names), "mechanism.json"):
        found, expected = (json.loads((folder / name).read_text()) for folder in (again, REFERENCE))
        assert_close(found, expected, name)


def test_the_published_words_are_those_of_the_analysis(again: Path) -> None:
    summary = "figures/summary.md"
    assert (again / summary).read_text() == (REFERENCE / summary).read_text()


def test_the_records_are_packed_as_they_were(again: Path, tmp_path: Path) -> None:
    store = Store(again.parent / "runs")
    assert packed.pack(store, store.recorded(), tmp_path / packed.NAME) == 600
    with tarfile.open(tmp_path / packed.NAME) as new, tarfile.open(REFERENCE / packed.NAME) as old:
        pairs = list(zip(new, old, strict=True))
        assert len(pairs) == 600
        for one, other in pairs:
            assert (one.name, one.mtime) == (other.name, 0)
            assert new.extractfile(one).read() == old.extractfile(other).read()


def test_r_finds_the_published_contrasts(r: dict[str, Any]) -> None:
    for found, expected in zip(published("contrasts"), r["contrasts"], strict=True):
        assert found["level"] == expected["level"]
        for name in ("estimate", "se", "df", "statistic", "p"):
            assert found[name] == pytest.approx(expected[name], rel=1e-9), (found["level"], name)
        # R's critical value comes from a million draws: good to three digits.
        half, other = (row["ci_high"] - row["estimate"] for row in (found, expected))
        assert half == pytest.approx(other, rel=3e-3)
        assert found["ci_high"] - found["estimate"] == pytest.approx(found["estimate"] - found["ci_low"], rel=1e-9)


def test_r_finds_the_published_mixed_model(r: dict[str, Any]) -> None:
    mixed, expected = published("mixed"), r["mixed"]
    found = {row["term"]: row for row in mixed["terms"]}
    assert set(found) == {row["term"] for row in expected["terms"]}
    for row in expected["terms"]:
        mine = found[row["term"]]
        assert (mine["df1"], mine["df2_kr"]) == (row["df1"], pytest.approx(row["df2"], rel=1e-6))
        assert mine["F_kr"] == pytest.approx(row["F"], rel=1e-5)
        assert mine["p_kr"] == pytest.approx(row["p"], rel=1e-4)
    for mine, row in zip(mixed["contrasts"], expected["contrasts"], strict=True):
        assert mine["level"] == row["level"]
        for name, theirs in (("estimate", "estimate"), ("se", "SE"), ("df", "df"), ("statistic", "t.ratio")):
            assert mine[name] == pytest.approx(row[theirs], rel=1e-5)
    sds = {row["term"].lower(): row["sd"] for row in expected["components"]}
    assert {row["term"]: row["sd"] for row in mixed["components"]} == pytest.approx(sds, rel=1e-5)


def test_r_finds_the_published_analysis_of_variance(r: dict[str, Any]) -> None:
    found = {row["term"]: row for row in published("anova")}
    assert set(found) == {row["term"] for row in r["anova"]}
    for row in r["anova"]:
        for name in ("df1", "df2", "F", "p", "ges"):
            assert found[row["term"]][name] == pytest.approx(row[name], rel=1e-8), (row["term"], name)
    for row in r["greenhouse"]:
        mine = found[row["term"]]
        assert (mine["epsilon_gg"], mine["p_gg"]) == pytest.approx((row["epsilon"], row["p"]), rel=1e-8)


def test_what_quotes_the_study_is_what_its_files_say() -> None:
    for path, text in pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: type `python -m reference.pages`"


def test_a_claim_that_the_study_does_not_bear_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number quoted from another file changes the page, and words that no longer hold stop it."""
    told, read = pages.pages(), pages.read

    def changed(name: str) -> Any:
        value = read(name)
        if name == "mechanism.json":
            value["arms"][2]["recovered_by_population"] -= 1
        return value

    monkeypatch.setattr(pages, "read", changed)
    with pytest.raises(ValueError, match="every collapsed run recovers"):
        pages.pages()
    monkeypatch.setattr(pages, "given", lambda claim, words: words)
    assert pages.pages() != told


def archive(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:xz") as stream:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                stream.addfile(member)
            else:
                name, content = member
                about = tarfile.TarInfo(name)
                about.size = len(content)
                stream.addfile(about, io.BytesIO(content))
    return path


def link(name: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return found


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"\xfd7zXZ no"), "damaged, not an archive of records"),
        (lambda path: path.write_bytes((REFERENCE / packed.NAME).read_bytes()[:50_000]), "damaged, not an archive"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: archive(path, ("runs/aa/a.json", b"{}")), "not the record of a run"),
        (lambda path: archive(path, ("runs/aa/a.json", b"\xff")), "damaged, not an archive of records"),
        (lambda path: archive(path, link("runs/aa/a.json")), "'runs/aa/a.json' is no record of a run"),
        (lambda path: None, "no such file"),
    ],
)
def test_what_is_no_archive_of_records_is_one_clear_line(tmp_path: Path, make: Any, why: str) -> None:
    make(tmp_path / packed.NAME)
    with pytest.raises(StudyError, match=f"{packed.NAME}: {why}"):
        packed.unpack(tmp_path / packed.NAME, Store(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_a_record_lands_where_its_identity_says_whatever_its_name_in_the_archive(tmp_path: Path) -> None:
    with tarfile.open(REFERENCE / packed.NAME) as stream:
        member = next(iter(stream))
        content = stream.extractfile(member).read()
    path = archive(tmp_path / packed.NAME, ("../../outside.json", content))
    store = Store(tmp_path / "inner" / "runs")
    assert packed.unpack(path, store) == (1, 1)
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.json")] == [
        f"inner/{member.name}",
    ]
    assert packed.unpack(path, store) == (0, 1)


def test_an_unfinished_study_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "results" / "young"
    folder.mkdir(parents=True)
    shutil.copy(REFERENCE / "design.json", folder)
    assert cli.main(["publish", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "runs.csv: no such file; finish the study with your `snakemake` command" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
