"""One reader for all kinds of files: it reads to the end, and believes no header."""

from __future__ import annotations

import os
import pickle
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from make_audio import noise, record
from make_sound_files import CASES, base, encode, likeness, with_length

from ser_tinyml.files import DataError
from ser_tinyml.sound import decoders, reading
from ser_tinyml.sound.reading import Fault, read

RATE = 16_000
# What programs write that cannot know the length: sox, ffmpeg, arecord, GStreamer, and others.
OF_PIPES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0x7FFF0000, 0x7FFFF000)
LESS_A_HEADER = [(length - header) % (1 << 32) for length in OF_PIPES for header in (36, 44)]


@pytest.mark.parametrize("rate", [RATE, 48_000, 24_414])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_reads_any_rate_as_one_channel(tmp_path, suffix, rate) -> None:
    path = record(tmp_path / f"clip{suffix}", np.stack([base()] * 2, axis=1), sample_rate=rate)
    sound = read(path)
    assert (sound.sample_rate, sound.channels, sound.channel) == (rate, 2, None)
    assert sound.samples.shape == base().shape and sound.samples.dtype == np.float32
    sound = read(path, sample_rate=RATE)
    assert len(sound.samples) == -(-len(base()) * RATE // rate) and sound.missing == ""


@pytest.mark.parametrize(
    ("name", "length"),
    [("half_cbr_info.mp3", 24_239), ("gsm.wav", 23_040), ("g721.wav", 16_080)],
)
def test_what_comes_is_counted_and_is_the_same_every_time(name, length) -> None:
    first = read(CASES / name)
    read(CASES / "base.wav")  # what lay in memory before does not matter
    again = read(CASES / name)
    assert len(first.samples) == length
    np.testing.assert_array_equal(first.samples, again.samples)


def test_half_an_mp3_is_the_first_half() -> None:
    sound = read(CASES / "half_cbr_info.mp3")
    assert sound.missing == "45779 samples promised, 24239 there"
    assert np.corrcoef(sound.samples, base()[:24_239])[0, 1] > 0.99


@pytest.mark.parametrize("name", ["voice.m4a", "MediaRecorder.webm"])
def test_phones_and_browsers_under_any_name(tmp_path, name) -> None:
    sound = read(CASES / name, sample_rate=RATE)
    assert likeness(sound.samples, base()) > 0.9
    assert 0 <= len(sound.samples) - len(base()) < 1200 and sound.missing == ""
    for other in ("voice.mp3", "voice.wav", "voice", "voice.txt"):
        (tmp_path / other).write_bytes((CASES / name).read_bytes())
        np.testing.assert_array_equal(
            read(tmp_path / other, sample_rate=RATE).samples, sound.samples
        )


@pytest.mark.parametrize("length", [*OF_PIPES, *LESS_A_HEADER])
def test_a_wav_of_a_pipe_is_read_to_its_end(tmp_path, length) -> None:
    sound = read(with_length(tmp_path / "piped.wav", length))
    np.testing.assert_array_equal(sound.samples, base())
    assert sound.missing == ""


@pytest.mark.parametrize("length", [0, (1 << 64) - 1])
@pytest.mark.parametrize(
    ("suffix", "mark", "behind", "size", "order"),
    [
        *((".rf64", b"ds64", 16, 8, "little"), (".w64", b"data\xf3", 16, 8, "little")),
        *((".au", b".snd", 8, 4, "big"), (".caf", b"data", 4, 8, "big")),
        (".aiff", b"SSND", 4, 4, "big"),
    ],
)
def test_other_kinds_of_a_pipe_too(tmp_path, suffix, mark, behind, size, order, length) -> None:
    path = record(tmp_path / f"x{suffix}", base(), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(mark) + behind
    data[at : at + size] = (length % (1 << 8 * size)).to_bytes(size, order)
    path.write_bytes(data)
    sound = read(path)
    np.testing.assert_array_equal(sound.samples, base())
    assert sound.missing == ""


@pytest.mark.parametrize("suffix", [".wav", ".w64", ".aiff", ".au", ".caf", ".rf64"])
def test_half_a_file_is_half_a_recording(tmp_path, suffix) -> None:
    path = record(tmp_path / f"x{suffix}", base(), subtype="PCM_16")
    assert read(path).missing == ""
    path.write_bytes(path.read_bytes()[:45_000])
    sound = read(path)
    assert "promised" in sound.missing
    np.testing.assert_array_equal(sound.samples, base()[: len(sound.samples)])
    assert 20_000 < len(sound.samples) <= 22_500


def test_an_mp3_without_a_header_of_its_own_is_read_to_its_end(tmp_path) -> None:
    """libsndfile takes the first frames' bit rate for that of all, and stops too early."""
    samples = np.concatenate([base() / 1000, base()] * 3)
    soundfile.write(
        tmp_path / "vbr.mp3", samples, RATE, bitrate_mode="VARIABLE", compression_level=0.1
    )
    data = (tmp_path / "vbr.mp3").read_bytes()
    assert 0 < data.find(b"Xing") < 40
    (tmp_path / "bare.mp3").write_bytes(data[data.index(data[:2], 4) :])
    (tmp_path / "twice.mp3").write_bytes(data * 2)
    assert abs(len(read(tmp_path / "vbr.mp3").samples) - len(samples)) < 1
    assert abs(len(read(tmp_path / "bare.mp3").samples) - len(samples)) < 2500
    assert abs(len(read(tmp_path / "twice.mp3").samples) - 2 * len(samples)) < 4000


def test_chained_ogg_is_heard_to_its_end(tmp_path) -> None:
    first = record(tmp_path / "a.ogg", base(), sample_rate=RATE)
    second = record(tmp_path / "b.ogg", np.stack([base()] * 2, axis=1), sample_rate=48_000)
    (tmp_path / "c.ogg").write_bytes(first.read_bytes() + second.read_bytes())
    sound = read(tmp_path / "c.ogg")
    assert sound.sample_rate == RATE and sound.missing == ""
    one, two = read(first), read(second, sample_rate=RATE)
    np.testing.assert_array_equal(sound.samples, np.concatenate([one.samples, two.samples]))


def test_flac_of_unknown_length_is_read_to_its_end(tmp_path) -> None:
    data = bytearray(record(tmp_path / "x.flac", base()).read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "x.flac").write_bytes(data)
    np.testing.assert_array_equal(read(tmp_path / "x.flac").samples, base())


def test_a_pipe_is_read_but_not_where_it_might_never_end(tmp_path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    with pytest.raises(Fault, match=r"pipe\.wav: expected a recording, found a pipe"):
        read(pipe, pipes=False)
    writer = threading.Thread(target=lambda: pipe.write_bytes((CASES / "gsm.wav").read_bytes()))
    writer.start()
    sound = read(pipe)
    writer.join()
    np.testing.assert_array_equal(sound.samples, read(CASES / "gsm.wav").samples)
    with pytest.raises(Fault, match="found a device"):
        read("/dev/zero")


class TestChannels:
    def heard(self, folder: Path, *channels: np.ndarray) -> reading.Sound:
        length = min(map(len, channels))
        samples = np.stack([one[:length] for one in channels], axis=1)
        return read(record(folder / "x.wav", samples, subtype="FLOAT"))

    def test_an_inverted_one_cancels_nothing(self, tmp_path) -> None:
        sound = self.heard(tmp_path, base(), -base())
        assert sound.channel == 1
        np.testing.assert_array_equal(sound.samples, base())

    def test_a_late_one_makes_no_comb(self, tmp_path) -> None:
        late = np.pad(base(), (16, 0))
        sound = self.heard(tmp_path, base(), late)
        expected = (base(), late)[sound.channel - 1][: len(base())]
        np.testing.assert_array_equal(sound.samples, expected)

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_speech_stands_out(self, tmp_path, place) -> None:
        hiss = noise(seed=1, n=len(base()), peak=0.25)
        others = [0.7 * np.ones_like(base()), hiss]  # what is constant, or steady, is no speech
        others.insert(place, base() / 4)
        assert self.heard(tmp_path, *others).channel == place + 1

    @pytest.mark.parametrize("count", [6, 8])
    def test_as_many_as_a_cinema_has(self, tmp_path, count) -> None:
        samples = np.stack([base() * (place == 2) for place in range(count)], axis=1)
        sound = read(encode(tmp_path / "x.m4a", samples, rate=48_000, codec="aac"))
        assert sound.channels == count
        assert likeness(sound.samples, base()) > 0.9

    def test_it_is_chosen_by_all_of_a_recording(self, tmp_path, monkeypatch) -> None:
        silent = np.zeros_like(base())
        left = np.concatenate([base() / 8, silent])
        right = np.concatenate([silent, base()])
        whole = self.heard(tmp_path, left, right)
        monkeypatch.setattr(decoders, "_BLOCK", 2000)
        piecewise = self.heard(tmp_path, left, right)
        assert whole.channel == piecewise.channel == 2
        np.testing.assert_array_equal(whole.samples, piecewise.samples)

    def test_a_few_samples_are_enough(self, tmp_path) -> None:
        assert self.heard(tmp_path, np.zeros(9), base()[5000:5009]).channel == 2


class TestFaults:
    @pytest.mark.parametrize(
        ("start", "found"),
        [
            (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", "MIDI: notes"),
            (b"no sound at all", "text"),
            ("kein Ton, aber schön".encode(), "text"),
            (b"#EXTM3U\nhttp://example.org/x.mp3\n", "text"),
            (b"PK\3\4" + bytes(100), "a zip archive"),
            (b"%PDF-1.7" + bytes(100), "a PDF"),
            (b"\x89PNG\r\n" + bytes(100), "a picture"),
            (bytes(1000), "nothing that is known as sound"),
            (bytes(range(1, 256)), "nothing that is known as sound"),
        ],
    )
    def test_what_is_no_sound_is_said_to_be_what_it_is(self, tmp_path, start, found) -> None:
        (tmp_path / "x.mp3").write_bytes(start)
        with pytest.raises(Fault, match=f"x.mp3: expected a recording, found {found}") as fault:
            read(tmp_path / "x.mp3")
        assert fault.value.reason == "unreadable"

    def test_how_to_convert_what_is_sound(self, tmp_path) -> None:
        data = (CASES / "voice.m4a").read_bytes().replace(b"moov", b"junk")
        (tmp_path / "a b.m4a").write_bytes(data)
        said = r"found MP4 that cannot be decoded \(.*\): try ffmpeg -i 'a b.m4a' -ar 16000 -ac 1"
        with pytest.raises(Fault, match=said):
            read(tmp_path / "a b.m4a")

    def test_a_recording_of_a_phone_that_is_cut_off(self, tmp_path) -> None:
        (tmp_path / "x.m4a").write_bytes((CASES / "voice.m4a").read_bytes()[:20_000])
        with pytest.raises(Fault, match="found MP4 that is cut off: .* promised, 20000 there"):
            read(tmp_path / "x.m4a")

    def test_a_video_without_sound(self, tmp_path) -> None:
        import av

        with av.open(str(tmp_path / "x.mp4"), "w") as file:
            stream = file.add_stream("mpeg4", rate=5)
            stream.width = stream.height = 64
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            file.mux([*stream.encode(frame), *stream.encode(None)])
        with pytest.raises(Fault, match="found MP4 without sound"):
            read(tmp_path / "x.mp4")

    def test_numbers_and_nothing(self, tmp_path) -> None:
        soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
        soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), RATE, "FLOAT")
        (tmp_path / "zero.wav").touch()
        for name, reason in [("empty", "empty"), ("nan", "not finite"), ("zero", "empty")]:
            with pytest.raises(Fault, match=f"{name}.wav") as fault:
                read(tmp_path / f"{name}.wav")
            assert fault.value.reason == reason
        with pytest.raises(DataError, match=r"missing\.wav: expected a recording, found No such"):
            read(tmp_path / "missing.wav")
        with pytest.raises(Fault, match="found a folder") as fault:
            read(tmp_path)
        sent = pickle.loads(pickle.dumps(fault.value))  # as between processes
        assert (str(sent), sent.reason) == (str(fault.value), "unreadable")

    def test_an_empty_wav_with_more_behind_is_empty(self, tmp_path) -> None:
        path = record(tmp_path / "x.wav", np.zeros(0))
        data = bytearray(
            path.read_bytes() + b"LIST" + struct.pack("<I", 12) + b"INFOICMT" + bytes(4)
        )
        data[4:8] = struct.pack("<I", len(data) - 8)
        path.write_bytes(data)
        with pytest.raises(Fault, match="a header without samples"):
            read(path)

    @pytest.mark.parametrize("rate", [1, 999, 768_001, 0x7FFFFFFF])
    def test_a_rate_that_nothing_has(self, tmp_path, rate) -> None:
        data = bytearray((CASES / "base.wav").read_bytes())
        data[24:28] = struct.pack("<I", rate)
        (tmp_path / "x.wav").write_bytes(data)
        with pytest.raises(Fault, match=f"found a rate of {rate} Hz, expected 1000 to 768000 Hz"):
            read(tmp_path / "x.wav", sample_rate=RATE)

    def test_more_than_can_be_held(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(reading, "MOST_HELD", 40_000)
        assert len(read(CASES / "base.wav", sample_rate=8000).samples) < 40_000
        with pytest.raises(Fault, match="found more than 40000 samples .*: cut it up"):
            read(CASES / "base.wav")


def test_a_name_that_is_no_text(tmp_path) -> None:
    for name in ("base.wav", "voice.m4a"):
        path = os.fsencode(tmp_path) + b"/caf\xe9" + name.encode()
        Path(os.fsdecode(path)).write_bytes((CASES / name).read_bytes())
        found = read(os.fsdecode(path)).samples
        np.testing.assert_array_equal(found, read(CASES / name).samples)


@pytest.mark.parametrize(
    ("name", "codec"), [("x.m4a", "alac"), ("x.mka", "flac"), ("x.mkv", "pcm_s24le")]
)
def test_lossless_kinds_give_the_samples(tmp_path, name, codec) -> None:
    samples = np.stack([base(), -base() / 2], axis=1)
    sound = read(encode(tmp_path / name, samples, rate=RATE, codec=codec))
    assert (sound.channels, sound.channel) == (2, 1)
    np.testing.assert_allclose(sound.samples[: len(base())], base(), atol=2 / 32768)
