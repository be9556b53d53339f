"""Fetching, against servers on this machine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import kagglesdk.kaggle_env
import pytest

from ser_tinyml.data import corpora, download
from ser_tinyml.data.corpora import Archive
from ser_tinyml.data.corpus import REGISTERED
from ser_tinyml.files import DataError

WEIGHTS = replace(download.WHISPER, repository="a/b", files=("one.bin", "two.bin"))
NAME = "Actor_01/03-01-05-01-01-01-01.wav"
SIZE = 200_000


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, bytes(SIZE))
    return stream.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends the server's `data`; stops after `stop` bytes if that is set."""

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers.get("Range"))
        start = 0
        if self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.data) - start))
        self.end_headers()
        self.wfile.write(server.data[start : server.stop])

    def do_POST(self) -> None:
        """Kaggle's interface, as far as a download needs it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.path)
        if self.server.data is None:
            self.send_error(404)
            return
        about = self.path.endswith("/GetDataset")
        body = json.dumps({"currentVersionNumber": 2}).encode() if about else self.server.data
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if about else "application/zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch) -> Iterator[http.server.HTTPServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.stop, server.asked = zipped(NAME), None, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def archives(server: http.server.HTTPServer, checksum: str | None = None) -> dict[str, Archive]:
    checksum = checksum or "md5:" + hashlib.md5(server.data).hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/speech.zip"
    return {"RAVDESS": Archive(url=url, checksum=checksum)}


def fetch(folder: Path, where: dict[str, Archive], said: list[str] | None = None) -> Path:
    say = (said if said is not None else []).append
    corpus = replace(corpora.by_name("RAVDESS"), archive=where["RAVDESS"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTERED, "RAVDESS", corpus)
        return download.download(["RAVDESS"], folder, progress=False, say=say)[0]


def test_good_archive(server, tmp_path):
    said: list[str] = []
    target = fetch(tmp_path, archives(server), said)
    assert (target / NAME).stat().st_size == SIZE
    assert "CC BY-NC-SA 4.0" in said[0]
    assert "Livingstone" in said[0]
    assert said[-1].endswith("1 of 1440 clips")
    assert not list((tmp_path / download.WORKPLACE).iterdir())


def test_a_teacher_is_fetched_once_with_its_licence(server, tmp_path):
    said: list[str] = []
    hub = f"http://127.0.0.1:{server.server_port}"
    options = {"hub": hub, "progress": False, "say": said.append}
    folder = download.fetch_weights(WEIGHTS, tmp_path, **options)
    assert folder == tmp_path / "Whisper"
    assert sorted(path.name for path in folder.iterdir()) == ["one.bin", "two.bin"]
    assert (folder / "one.bin").read_bytes() == server.data
    assert "MIT" in said[0] and f"{hub}/a/b" in said[0] and "2 files" in said[-1]
    assert len(server.asked) == 2
    download.fetch_weights(WEIGHTS, tmp_path, **options)
    assert len(server.asked) == 2


def test_a_teacher_that_breaks_off_is_taken_up(server, tmp_path):
    hub = f"http://127.0.0.1:{server.server_port}"
    server.stop = 100_000
    with pytest.raises(DataError, match=r"one\.bin.*What came so far is kept"):
        download.fetch_weights(WEIGHTS, tmp_path, hub=hub, progress=False, say=lambda _: None)
    server.stop = None
    folder = download.fetch_weights(WEIGHTS, tmp_path, hub=hub, progress=False, say=lambda _: None)
    assert (folder / "one.bin").read_bytes() == server.data


def test_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match="hash"):
        fetch(tmp_path, archives(server, "md5:" + "0" * 32))
    assert not (tmp_path / "RAVDESS").exists()
    fetch(tmp_path, archives(server))  # and does not stand in the way


def test_server_gone(server, tmp_path):
    where = archives(server)
    server.server_close()
    with pytest.raises(DataError, match=r"expected the server to send RAVDESS.*try again"):
        fetch(tmp_path, where)


def test_server_says_no(server, tmp_path):
    server.data = b""  # answered with status 416
    with pytest.raises(DataError, match="416"):
        fetch(tmp_path, archives(server))


def test_broken_off_download_is_taken_up(server, tmp_path):
    where = archives(server)
    server.stop = 150_000
    with pytest.raises(DataError, match="What came so far is kept"):
        fetch(tmp_path, where)
    assert not (tmp_path / "RAVDESS").exists()
    server.stop = None
    fetch(tmp_path, where)
    assert server.asked == [None, "bytes=131072-"]  # two pieces of 64 KiB had come whole
    assert (tmp_path / "RAVDESS" / NAME).exists()


def test_whole_download_that_was_not_unpacked_is_used(server, tmp_path):
    part = tmp_path / download.WORKPLACE / "RAVDESS.zip.part"
    part.parent.mkdir()
    part.write_bytes(server.data)
    fetch(tmp_path, archives(server))
    assert (tmp_path / "RAVDESS" / NAME).exists()


def test_complete_corpus_is_not_fetched_again(server, tmp_path):
    for actor in range(1, 25):
        for code in ["01-01"] + [f"{e:02d}-{i:02d}" for e in range(2, 9) for i in (1, 2)]:
            for take in ("01-01", "01-02", "02-01", "02-02"):
                path = tmp_path / f"RAVDESS/Actor_{actor:02d}/03-01-{code}-{take}-{actor:02d}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    said: list[str] = []
    fetch(tmp_path, archives(server), said)
    assert server.asked == []
    assert said[-1].endswith("1440 clips are there already")


def test_folder_with_something_else_is_left_alone(server, tmp_path):
    mine = tmp_path / "RAVDESS/mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        fetch(tmp_path, archives(server))
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["../outside.wav", "/outside.wav", "..\\outside.wav"])
def test_archive_that_reaches_outside_is_refused(server, tmp_path, name):
    server.data = zipped(NAME, name)
    with pytest.raises(DataError, match="inside the archive"):
        fetch(tmp_path / "data", archives(server))
    assert not (tmp_path / "outside.wav").exists()
    assert not (tmp_path / "data/RAVDESS").exists()


def test_no_zip(server, tmp_path):
    server.data = b"not a zip"
    with pytest.raises(DataError, match="expected a zip archive"):
        fetch(tmp_path, archives(server))


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("IEMOCAP", None, "expected one of RAVDESS.* found 'IEMOCAP'"),
        ("TESS", "archive", "TESS: expected archive to fetch it from, found kaggle"),
        ("RAVDESS", "ftp", "expected ftp .*found archive and kaggle"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_fetched(tmp_path, name, source, message):
    with pytest.raises(DataError, match=message):
        download.download([name], tmp_path, source=source)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def kaggle(server, tmp_path_factory, monkeypatch) -> http.server.HTTPServer:
    """Point kagglehub to the server on this machine, without anyone's key."""
    endpoints = kagglesdk.kaggle_env._env_to_endpoint
    local = kagglesdk.kaggle_env.KaggleEnv.LOCAL
    monkeypatch.setitem(endpoints, local, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path_factory.mktemp("no_key")))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    return server


def test_kaggle(kaggle, tmp_path):
    kaggle.data = zipped("TESS data/OAF_angry/OAF_back_angry.wav")
    said: list[str] = []
    (target,) = download.download(["TESS"], tmp_path, progress=False, say=said.append)
    assert (target / "TESS data/OAF_angry/OAF_back_angry.wav").exists()
    assert len(kaggle.asked) == 2
    assert said[-1].endswith("1 of 2800 clips")


def test_kaggle_says_no(kaggle, tmp_path):
    kaggle.data = None
    with pytest.raises(DataError, match=r"kaggle\.com/datasets/ejlok1/.*expected Kaggle to send"):
        download.download(["TESS"], tmp_path, progress=False, say=str)
    assert not (tmp_path / "TESS").exists()


def test_kagglehub_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match="pip install kagglehub"):
        download.download(["SAVEE"], tmp_path, progress=False, say=str)
