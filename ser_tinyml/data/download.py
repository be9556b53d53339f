"""Fetch published corpora, as an archive with a checksum or through Kaggle, and a teacher."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pooch
import requests
from tqdm import tqdm

from ser_tinyml import files
from ser_tinyml.data import corpora
from ser_tinyml.data.corpora import Archive, ClipName, Corpus

SOURCES = ("archive", "kaggle")
WORKPLACE = ".download"  # inside the recordings folder; hidden, so the index passes it by
HUB = "https://huggingface.co"
TIMEOUT = (10.0, 60.0)  # s, to connect and between two packets


@dataclass(frozen=True)
class Weights:
    """A trained model on the Hugging Face hub.

    Attributes
    ----------
    name
        By which it is asked for, and of its folder.
    repository, files
        Where it is, and what of it is fetched.
    licence, citation
        What a user has to know.
    """

    name: str
    repository: str
    files: tuple[str, ...]
    licence: str
    citation: str


WHISPER = Weights(
    name="Whisper",
    repository="Systran/faster-whisper-tiny.en",
    files=("config.json", "vocabulary.txt", "model.bin"),
    licence="MIT",
    citation="A. Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, "
    "ICML 2023",
)


def download(
    names: Sequence[str],
    folder: str | Path,
    *,
    source: str | None = None,
    progress: bool = True,
    say: Callable[[str], Any] = print,
) -> list[Path]:
    """Fetch corpora into ``folder/<name>``, one after the other.

    What is complete is not fetched again; what broke off is taken up where it stopped.

    Parameters
    ----------
    names
        Of corpora that are registered and say where they can be fetched; or "Whisper", the speech
        model that can teach.
    source
        "archive" or "kaggle"; by default the archive, where the corpus has one.
    progress
        Show progress bars.
    say
        Takes the licence and citation, which come before the download.

    Raises
    ------
    DataError
        If a corpus is not known or has no such source, the server does not answer, or the archive
        is damaged.
    """
    plans = [None if name == WHISPER.name else _plan(name, source) for name in names]
    return [
        _fetch(plan[0], Path(folder), archive=plan[1], progress=progress, say=say)
        if plan
        else fetch_weights(WHISPER, Path(folder), progress=progress, say=say)
        for plan in plans
    ]


def fetch_weights(
    weights: Weights,
    folder: Path,
    *,
    hub: str = HUB,
    progress: bool = True,
    say: Callable[[str], Any] = print,
) -> Path:
    """Fetch a trained model into ``folder/<name>``; what is there is not fetched again.

    Returns
    -------
    folder
        With its files.

    Raises
    ------
    DataError
        If the hub does not send them.
    """
    page = f"{hub}/{weights.repository}"
    say(f"{weights.name}: {page}\n  licence   {weights.licence}\n  please cite {weights.citation}")
    target = folder / weights.name
    for name in weights.files:
        _retrieve(
            f"{page}/resolve/main/{name}",
            target,
            name,
            checksum=None,  # it is not known, so the hub's word counts
            what=f"{weights.name} ({name})",
            progress=progress,
        )
    say(f"{target}: all {len(weights.files)} files")
    return target


def licence(corpus: Corpus) -> str:
    """What a user has to know before fetching a corpus."""
    return (
        f"{corpus.name}: {corpus.title}\n"
        f"  licence   {corpus.licence}\n"
        f"  please cite {corpus.citation}\n"
        f"  homepage  {corpus.homepage}"
    )


def _plan(name: str, source: str | None) -> tuple[Corpus, Archive | None]:
    corpus = corpora.by_name(name)
    has = [kind for kind in SOURCES if getattr(corpus, kind)]
    if not has or source not in (None, *has):
        raise files.DataError(
            f"{name}: expected {source or 'a source'} to fetch it from, "
            f"found {' and '.join(has) or 'none'}; {corpus.homepage or 'its publisher'} may have it"
        )
    return corpus, None if source == "kaggle" else corpus.archive


def _fetch(
    corpus: Corpus,
    folder: Path,
    *,
    archive: Archive | None,
    progress: bool,
    say: Callable[[str], Any],
) -> Path:
    say(licence(corpus))
    target = folder / corpus.name
    there = _count(corpus, target)
    if there and there >= corpus.published_clips:
        say(f"{target}: {there} clips are there already")
        return target
    if target.exists() and any(target.iterdir()):
        raise files.DataError(
            f"{target}: expected a new or empty folder, or all {corpus.published_clips} clips, "
            f"found {there} clips: move it away and try again"
        )
    workplace = folder / WORKPLACE
    workplace.mkdir(parents=True, exist_ok=True)
    if archive:
        _from_archive(corpus, archive, workplace=workplace, target=target, progress=progress)
    else:
        _from_kaggle(corpus, workplace=workplace, target=target)
    there = _count(corpus, target)
    say(f"{target}: {there} of {corpus.published_clips or there} clips")
    return target


def _count(corpus: Corpus, folder: Path) -> int:
    """Clips of a corpus in a folder, by their names; a second copy does not count."""
    found = [corpus.parse(path.relative_to(folder)) for path in folder.rglob("*.[wW][aA][vV]")]
    return len({name.stem for name in found if isinstance(name, ClipName)})


def _from_archive(
    corpus: Corpus, archive: Archive, *, workplace: Path, target: Path, progress: bool
) -> None:
    path = _retrieve(
        archive.url,
        workplace,
        f"{corpus.name}.zip",
        checksum=archive.checksum,
        what=corpus.name,
        progress=progress,
    )
    _unzip(path, workplace / corpus.name, progress=progress)
    _put(workplace / corpus.name, target)
    path.unlink()


def _retrieve(
    url: str, folder: Path, name: str, *, checksum: str | None, what: str, progress: bool
) -> Path:
    """Fetch one file, from where the last attempt broke off."""
    pooch.get_logger().setLevel("WARNING")  # the bar says the rest
    try:
        path = pooch.retrieve(
            url,
            known_hash=checksum,
            fname=name,
            path=folder,
            downloader=_Resuming(folder / f"{name}.part", progress=progress),
        )
    except requests.RequestException as error:
        raise files.DataError(
            f"{url}: expected the server to send {what}, found: {error}. "
            f"What came so far is kept: try again"
        ) from error
    except ValueError as error:  # pooch says both checksums
        raise files.DataError(f"{url}: {error}") from error
    return Path(path)


class _Resuming:
    """A downloader for pooch that goes on where the last attempt broke off."""

    def __init__(self, part: Path, *, progress: bool) -> None:
        self.part = part
        self.progress = progress

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if have and response.status_code == requests.codes.requested_range_not_satisfiable:
                os.replace(self.part, output_file)  # it is whole; the checksum will tell
                return
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                have = 0  # this server starts anew
            size = int(response.headers.get("Content-Length", 0)) + have
            bar = tqdm(
                desc=self.part.stem,
                total=size or None,
                initial=have,
                unit="B",
                unit_scale=True,
                disable=not self.progress,
            )
            with open(self.part, "ab" if have else "wb") as stream, bar:
                for chunk in response.iter_content(1 << 16):
                    stream.write(chunk)
                    bar.update(len(chunk))
        os.replace(self.part, output_file)


def _unzip(archive: Path, folder: Path, *, progress: bool) -> None:
    """Unpack an archive whose every member stays inside the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            for member in members:
                place = PurePosixPath(member.filename.replace("\\", "/"))
                if place.is_absolute() or ".." in place.parts or ":" in member.filename:
                    raise files.DataError(
                        f"{archive}: expected paths inside the archive, found {member.filename}"
                    )
            for member in tqdm(members, f"unpacking {archive.name}", disable=not progress):
                file.extract(member, folder)
    except (zipfile.BadZipFile, EOFError) as error:
        raise files.DataError(f"{archive}: expected a zip archive, found: {error}") from error


def _from_kaggle(corpus: Corpus, *, workplace: Path, target: Path) -> None:
    try:
        import kagglehub  # not everyone fetches from Kaggle
    except ImportError as error:
        raise files.DataError(
            f"{corpus.name}: expected kagglehub to be installed: pip install kagglehub"
        ) from error
    handle = corpus.kaggle
    try:
        with _environment(KAGGLEHUB_CACHE=str(workplace.resolve())):
            path = Path(kagglehub.dataset_download(handle))
    except Exception as error:  # kagglehub lets errors of several libraries through
        raise files.DataError(
            f"https://www.kaggle.com/datasets/{handle}: expected Kaggle to send {corpus.name}, "
            f"found: {error}. What came so far is kept: try again"
        ) from error
    _put(path, target, keep=not path.is_relative_to(workplace.resolve()))
    shutil.rmtree(workplace / "datasets" / handle, ignore_errors=True)  # what kagglehub noted


def _put(path: Path, target: Path, *, keep: bool = False) -> None:
    """Move a finished folder to its place at once, so that no half corpus is ever there."""
    if keep:  # Kaggle's and Colab's own machines hand out a folder that is not ours
        copy = target.with_name(f".{target.name}.copy")
        shutil.rmtree(copy, ignore_errors=True)
        path = Path(shutil.copytree(path, copy))
    if target.exists():
        target.rmdir()  # it is empty
    os.replace(path, target)


@contextmanager
def _environment(**settings: str) -> Any:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
