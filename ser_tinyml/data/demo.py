"""A small synthetic corpus, spoken by Praat's synthesizer and laid out like the four real ones.

It is synthetic: it proves the machinery, never accuracy.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.provenance import ROOT

MARKER = "demo.json"
NOTICE = "synthetic: proves the machinery, never accuracy"
VERSION = 1  # of the recipe below; another recipe does not go into the same folder
LANGUAGE = "English (America)"
VOICES = {
    "female": ("Female1", "Female2", "Female3", "Female4", "Female5", "Steph"),
    "male": ("Male1", "Male2", "Male3", "Male5", "Male6", "Male7", "Max"),
}


@dataclass(frozen=True, kw_only=True)
class Style:
    """How an emotion moves the voice away from the speaker's own; ratios unless said otherwise."""

    pitch: float = 1.0
    pitch_range: float = 1.0
    rate: float = 1.0
    level: float = 0.0  # dB
    tilt: float = 0.0  # dB an octave, positive is brighter
    gap: float = 0.0  # s between words
    tremor: float = 0.0  # depth of the amplitude's 6 Hz swing, 0 to 1
    breath: float = 0.0  # noise that follows the voice's envelope, amplitude ratio


STYLES = {
    "neutral": Style(),
    "calm": Style(pitch=0.94, pitch_range=0.75, rate=0.9, level=-3, tilt=-0.8, gap=0.01),
    "happy": Style(pitch=1.25, pitch_range=1.6, rate=1.08, level=3, tilt=0.8),
    "sad": Style(pitch=0.88, pitch_range=0.5, rate=0.8, level=-5, tilt=-1.6, gap=0.04, breath=0.08),
    "angry": Style(pitch=1.14, pitch_range=1.25, rate=1.15, level=7, tilt=1.8),
    "fear": Style(pitch=1.32, pitch_range=0.7, rate=1.22, level=-1, tilt=0.4, tremor=0.4),
    "disgust": Style(pitch=0.84, pitch_range=1.2, rate=0.82, level=1, tilt=0.6, gap=0.03),
    "surprise": Style(pitch=1.45, pitch_range=1.9, rate=0.97, level=2, tilt=0.3, breath=0.04),
}
STRENGTH = {"": 1.0, "normal": 0.8, "strong": 1.4, "low": 0.6, "medium": 1.0, "high": 1.4}


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """One voice: a synthesizer variant and what is this speaker's own."""

    variant: str
    size: float = 1.0  # over 1: a longer vocal tract, all formants and the pitch lower
    pitch: float = 1.0
    pitch_range: float = 1.0
    rate: float = 165.0  # words a minute
    level: float = -26.0  # dBFS, RMS of the voiced part
    expression: float = 1.0  # how far this speaker goes with an emotion


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """How a corpus was recorded."""

    sample_rate: int  # Hz
    level: float  # dBFS, RMS
    floor: float  # dBFS, RMS of the noise that is always there
    quiet: tuple[float, float]  # s before and after the speech, shortest and longest


CORPORA = {
    "RAVDESS": Corpus(sample_rate=48000, level=-40, floor=-76, quiet=(0.3, 0.6)),
    "TESS": Corpus(sample_rate=24414, level=-26, floor=-68, quiet=(0.05, 0.25)),
    "SAVEE": Corpus(sample_rate=44100, level=-20, floor=-64, quiet=(0.2, 0.5)),
    "CREMA-D": Corpus(sample_rate=16000, level=-30, floor=-60, quiet=(0.2, 0.5)),
}

RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
RAVDESS_SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")
TESS_WORDS = (
    *("back", "bar", "base", "bath", "bean", "beg"),
    *("bite", "boat", "bone", "book", "bought", "burn"),
)
TESS_EMOTIONS = {
    # emotion: name in a file, in OAF's folders, in YAF's folders
    "neutral": ("neutral", "neutral", "neutral"),
    "happy": ("happy", "happy", "happy"),
    "sad": ("sad", "Sad", "sad"),
    "angry": ("angry", "angry", "angry"),
    "fear": ("fear", "Fear", "fear"),
    "disgust": ("disgust", "disgust", "disgust"),
    "surprise": ("ps", "Pleasant_surprise", "pleasant_surprised"),
}
SAVEE_SPEAKERS = ("DC", "JE", "JK", "KL")
SAVEE_EMOTIONS = {
    "neutral": "n",
    "happy": "h",
    "sad": "sa",
    "angry": "a",
    "fear": "f",
    "disgust": "d",
    "surprise": "su",
}
SAVEE_SENTENCES = (  # our own
    "The train to the coast leaves at nine",
    "She put the letter on the kitchen table",
    "There are four windows in this room",
    "He walked along the river to the mill",
    "The parcel came with the morning post",
    "They moved the chairs into the garden",
)
CREMA_ACTORS = {
    1001: "male",
    1002: "female",
    1003: "female",
    1004: "female",
    1005: "male",
    1006: "female",
    1012: "female",
    1014: "male",
    1015: "male",
    1016: "male",
}
CREMA_EMOTIONS = {
    "neutral": "NEU",
    "happy": "HAP",
    "sad": "SAD",
    "angry": "ANG",
    "fear": "FEA",
    "disgust": "DIS",
}
CREMA_SENTENCES = {
    "DFA": "Don't forget a jacket",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "IOM": "I'm on my way to the meeting",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
CREMA_ELEVEN = "It's eleven o'clock"  # the one sentence that was recorded at three levels
CREMA_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One file to be spoken."""

    sex: str
    emotion: str
    text: str
    path: str  # relative to the corpus folder
    corpus: str = ""
    speaker: str = ""
    intensity: str = ""


def clips(*, scale: float = 1.0) -> list[Clip]:
    """Every clip of the corpus, speaker by speaker.

    Parameters
    ----------
    scale
        The share of each speaker's clips of each emotion that is kept; never fewer than one.
    """
    groups: dict[tuple[str, str, str], list[Clip]] = {}
    for clip in _all_clips():
        groups.setdefault((clip.corpus, clip.speaker, clip.emotion), []).append(clip)
    kept = []
    for group in groups.values():
        n = min(len(group), max(1, round(len(group) * scale)))
        kept += [group[i * len(group) // n] for i in range(n)]
    return kept


def ensure(
    folder: str | Path,
    *,
    seed: int = 0,
    scale: float = 1.0,
    progress: bool = True,
    jobs: int | None = None,
) -> Path:
    """Speak the corpus into a folder, or what of it is not there yet.

    The same seed and scale give the same files, byte for byte, in any order and with any jobs.

    Parameters
    ----------
    folder
        A new or empty folder, or one that this function filled or began to fill.
    seed
        What the speakers and clips are drawn with.
    scale
        The share of each speaker's clips of each emotion; 1.0 is 1,236 clips.
    progress
        Print a line a corpus.
    jobs
        Processes at a time; by default one a core.

    Returns
    -------
    The folder. Its ``demo.json`` says that the corpus is synthetic, and how it was made.

    Raises
    ------
    DataError
        If the folder holds something else, or this corpus with other settings.
    """
    folder = Path(folder)
    if not 0 < scale <= 1:
        raise files.DataError(f"{folder}: expected a scale over 0 and up to 1, found {scale}")
    plan = clips(scale=scale)
    marker = _marker(plan, seed=seed, scale=scale)
    _claim(folder, marker)

    tasks = [_lines(group, folder=folder, seed=seed) for group in _by_speaker(plan)]
    missing = [sum(not Path(line.path).exists() for line in task) for task in tasks]
    _speak_missing(tasks, missing, jobs=jobs or os.cpu_count() or 1, progress=progress)
    return folder


def _speak_missing(
    tasks: Sequence[Sequence[_Line]], missing: Sequence[int], *, jobs: int, progress: bool
) -> None:
    """Speak the tasks of which clips are missing, and print a line when a corpus is whole."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        spoken = [
            (task[0].corpus, pool.submit(_speak_in_fresh_process, task))
            for task, new in zip(tasks, missing, strict=True)
            if new
        ]
        try:
            for name in CORPORA:
                for corpus, speaking in spoken:
                    if corpus == name:
                        speaking.result()
                if progress:
                    mine = [i for i, task in enumerate(tasks) if task[0].corpus == name]
                    new, total = sum(missing[i] for i in mine), sum(len(tasks[i]) for i in mine)
                    print(f"{name}: {new} clips spoken, {total - new} were there")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def speak(
    texts: str | Sequence[str],
    *,
    emotion: str | Sequence[str] = "neutral",
    sex: str | Sequence[str] = "female",
    sample_rate: int = 16000,
    level: float = -26.0,
    quiet: float = 0.2,
    seed: int = 0,
) -> list[np.ndarray]:
    """Speak sentences, for examples and for golden vectors; repeatable byte for byte.

    Parameters
    ----------
    texts, emotion, sex
        One for all, or one a sentence.
    sample_rate
        In Hz.
    level
        RMS of the neutral voice in dBFS.
    quiet
        Seconds of near silence before and after.
    seed
        What the voices and their small variations are drawn with.

    Returns
    -------
    list of int16 arrays [shape=(n,)]
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    emotions = [emotion] * len(texts) if isinstance(emotion, str) else list(emotion)
    sexes = [sex] * len(texts) if isinstance(sex, str) else list(sex)
    corpus = Corpus(sample_rate=sample_rate, level=level, floor=-70, quiet=(quiet, quiet))
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for i, (text, emo, who) in enumerate(zip(texts, emotions, sexes, strict=True)):
            speaker = _speaker(f"speak/{i}", sex=who, level=level, seed=seed)
            clip = Clip(sex=who, emotion=emo, text=text, path=f"{i}.wav")
            line = _line(clip, speaker=speaker, corpus=corpus, folder=Path(folder), seed=seed)
            lines.append(line)
        _speak_in_fresh_process(lines)
        return [_read_wav(Path(line.path)) for line in lines]


def _all_clips() -> Iterator[Clip]:
    return chain(_ravdess(), _tess(), _savee(), _crema_d())


def _ravdess() -> Iterator[Clip]:
    for actor in range(1, 11):
        for code, emotion in enumerate(RAVDESS_EMOTIONS, start=1):
            levels = (1,) if emotion == "neutral" else (1, 2)
            for level, statement, repetition in product(levels, (1, 2), (1, 2)):
                name = f"03-01-{code:02d}-{level:02d}-{statement:02d}-{repetition:02d}"
                yield Clip(
                    corpus="RAVDESS",
                    speaker=f"{actor:02d}",
                    sex="male" if actor % 2 else "female",
                    emotion=emotion,
                    intensity="strong" if level == 2 else "normal",
                    text=RAVDESS_SENTENCES[statement - 1],
                    path=f"RAVDESS/Actor_{actor:02d}/{name}-{actor:02d}.wav",
                )


def _tess() -> Iterator[Clip]:
    for column, speaker in enumerate(("OAF", "YAF"), start=1):
        for emotion, names in TESS_EMOTIONS.items():
            for word in TESS_WORDS:
                yield Clip(
                    corpus="TESS",
                    speaker=speaker,
                    sex="female",
                    emotion=emotion,
                    intensity="",
                    text=f"Say the word {word}",
                    path=f"TESS/{speaker}_{names[column]}/{speaker}_{word}_{names[0]}.wav",
                )


def _savee() -> Iterator[Clip]:
    for speaker in SAVEE_SPEAKERS:
        for emotion, code in SAVEE_EMOTIONS.items():
            for number, text in enumerate(SAVEE_SENTENCES, start=1):
                yield Clip(
                    corpus="SAVEE",
                    speaker=speaker,
                    sex="male",
                    emotion=emotion,
                    intensity="",
                    text=text,
                    path=f"SAVEE/{speaker}_{code}{number:02d}.wav",
                )


def _crema_d() -> Iterator[Clip]:
    codes = list(CREMA_SENTENCES)
    for place, (actor, sex) in enumerate(CREMA_ACTORS.items()):
        for turn, (emotion, name) in enumerate(CREMA_EMOTIONS.items()):
            level = "XX" if emotion == "neutral" else list(CREMA_LEVELS)[(place + turn) % 3]
            said = [("IEO", level)]
            said += [(codes[(place + turn + 3 * i) % len(codes)], "XX") for i in range(4)]
            for code, mark in said:
                yield Clip(
                    corpus="CREMA-D",
                    speaker=str(actor),
                    sex=sex,
                    emotion=emotion,
                    intensity=CREMA_LEVELS.get(mark, ""),
                    text=CREMA_SENTENCES.get(code, CREMA_ELEVEN),
                    path=f"CREMA-D/{actor}_{code}_{name}_{mark}.wav",
                )


def _marker(plan: Sequence[Clip], *, seed: int, scale: float) -> dict[str, Any]:
    counts = {name: sum(clip.corpus == name for clip in plan) for name in CORPORA}
    return {
        "notice": NOTICE,
        "recipe": VERSION,
        "seed": seed,
        "scale": scale,
        "clips": counts,
        "parselmouth": metadata.version("praat-parselmouth"),
    }


def _claim(folder: Path, marker: dict[str, Any]) -> None:
    """Mark the folder as ours before the first clip, so that a stopped run can be resumed."""
    path = folder / MARKER
    if path.exists():
        found = files.read_json(path)
        if found != marker:
            raise files.DataError(
                f"{path}: expected a corpus spoken with {json.dumps(marker)}, "
                f"found {json.dumps(found)}: choose another folder or delete this one"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise files.DataError(
            f"{folder}: expected a new or empty folder or a demo corpus, found no {MARKER} in it"
        )
    files.write_json(path, marker)


def _by_speaker(plan: Sequence[Clip]) -> list[list[Clip]]:
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in plan:
        groups.setdefault((clip.corpus, clip.speaker), []).append(clip)
    return list(groups.values())


def _generator(seed: int, key: str) -> np.random.Generator:
    """A generator of its own for each key, so that order and jobs change nothing."""
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "little")])


def _speaker(key: str, *, sex: str, level: float, seed: int) -> Speaker:
    rng = _generator(seed, f"speaker {key}")
    return Speaker(
        variant=str(rng.choice(VOICES[sex])),
        size=float(np.exp(rng.normal(0, 0.06))),
        pitch=float(np.exp(rng.normal(0, 0.1))),
        pitch_range=float(np.exp(rng.normal(0, 0.2))),
        rate=float(165 * np.exp(rng.normal(0, 0.08))),
        level=float(level + rng.normal(0, 2)),
        expression=float(np.exp(rng.normal(0, 0.15))),
    )


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One clip in the synthesizer's own terms; crosses into the speaking process as JSON."""

    path: str
    corpus: str
    seed: int
    text: str
    variant: str
    size: float
    pitch: float  # the synthesizer's adjustment, 0.5 to 2
    pitch_range: float  # the same, 0 to 2
    rate: float  # words a minute
    gap: float  # s
    level: float  # dBFS
    floor: float  # dBFS
    tilt: float  # dB an octave
    tremor: float
    breath: float
    before: float  # s
    after: float  # s
    sample_rate: int  # Hz


def _lines(group: Sequence[Clip], *, folder: Path, seed: int) -> list[_Line]:
    first = group[0]
    corpus = CORPORA[first.corpus]
    key = f"{first.corpus}/{first.speaker}"
    speaker = _speaker(key, sex=first.sex, level=corpus.level, seed=seed)
    return [_line(clip, speaker=speaker, corpus=corpus, folder=folder, seed=seed) for clip in group]


def _line(clip: Clip, *, speaker: Speaker, corpus: Corpus, folder: Path, seed: int) -> _Line:
    """Draw one clip: the speaker, moved by the emotion, moved a little by chance."""
    rng = _generator(seed, f"clip {clip.path}")
    style = STYLES[clip.emotion]
    much = speaker.expression * STRENGTH[clip.intensity] * float(np.exp(rng.normal(0, 0.3)))

    def ratio(of_style: float, spread: float) -> float:
        return float(of_style**much * np.exp(rng.normal(0, spread)))

    def amount(of_style: float, spread: float) -> float:
        return float(of_style * much + rng.normal(0, spread))

    pitch = speaker.pitch * ratio(style.pitch, 0.05)
    return _Line(
        path=str(folder / clip.path),
        corpus=clip.corpus,
        seed=seed,
        text=clip.text,
        variant=speaker.variant,
        size=speaker.size * float(np.exp(rng.normal(0, 0.01))),
        # the voice's pitch follows 0.27 + 0.73 x adjustment, measured over its variants
        pitch=float(np.clip((pitch - 0.27) / 0.73, 0.5, 2.0)),
        pitch_range=float(np.clip(speaker.pitch_range * ratio(style.pitch_range, 0.15), 0.1, 2.0)),
        rate=float(np.clip(speaker.rate * ratio(style.rate, 0.06), 85, 400)),
        gap=max(0.0, amount(style.gap, 0.006)),
        level=speaker.level + amount(style.level, 1.5),
        floor=corpus.floor,
        tilt=amount(style.tilt, 0.5),
        tremor=float(np.clip(amount(style.tremor, 0.04), 0.0, 0.8)),
        breath=max(0.0, amount(style.breath, 0.01)),
        before=float(rng.uniform(*corpus.quiet)),
        after=float(rng.uniform(*corpus.quiet)),
        sample_rate=corpus.sample_rate,
    )


def _speak_in_fresh_process(lines: Sequence[_Line]) -> None:
    """Speak the lines, in order, in a process of their own.

    The synthesizer keeps its phase from sentence to sentence and cannot be set back: only a process
    that has not spoken yet, given the same sentences in the same order, gives the same samples.
    """
    root = str(ROOT)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "ser_tinyml.data.demo"],
        input=json.dumps([asdict(line) for line in lines]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise files.DataError(
            f"{lines[0].path}: expected the synthesizer to speak {len(lines)} clips, "
            f"found exit status {done.returncode}: {done.stderr.strip()[-500:]}"
        )


def _main() -> None:
    """The speaking process: lines come in as JSON; every one is spoken, the missing are written."""
    for fields in json.load(sys.stdin):
        line = _Line(**fields)
        voice = _synthesize(line)
        if not Path(line.path).exists():
            samples = _record(voice, line=line)
            files.write_bytes(line.path, _wav(samples, sample_rate=line.sample_rate))


def _synthesize(line: _Line) -> np.ndarray:
    # imported here: a user with real recordings needs no Praat
    from parselmouth.praat import call

    synthesizer = call("Create SpeechSynthesizer", LANGUAGE, line.variant)
    # spoken at one rate and declared as another, the whole voice is scaled, formants and all
    rate = line.sample_rate * line.size
    settings = (rate, line.gap, line.pitch, line.pitch_range, line.rate * line.size, "IPA")
    call(synthesizer, "Speech output settings...", *settings)
    sound = call(synthesizer, "To Sound", line.text, "no")[0]
    return np.asarray(sound.values[0], dtype=np.float64)


def _record(voice: np.ndarray, *, line: _Line) -> np.ndarray:
    """Put a voice into a room: tilt, tremor, breath, level, quiet around it, a noise floor.

    Returns
    -------
    int16 array [shape=(n,)]
    """
    rng = _generator(line.seed, f"noise {Path(line.path).name}")
    rate = line.sample_rate
    time = np.arange(len(voice)) / rate

    n_fft = 1 << len(voice).bit_length()
    octaves = np.log2(np.clip(np.fft.rfftfreq(n_fft, 1 / rate), 100, 8000) / 1000)
    spectrum = np.fft.rfft(voice, n=n_fft) * 10 ** (line.tilt * octaves / 20)
    voice = np.fft.irfft(spectrum, n=n_fft)[: len(voice)]
    voice *= 1 + line.tremor * np.sin(2 * np.pi * (6.0 * time + rng.uniform()))
    width = rate // 50
    power = np.cumsum(np.pad(voice**2, (width // 2 + 1, width - width // 2 - 1)))
    envelope = np.sqrt(np.maximum(power[width:] - power[:-width], 0) / width)
    voice += line.breath * envelope * rng.standard_normal(len(voice))
    heard = envelope > 0.1 * envelope.max()
    voice *= 10 ** (line.level / 20) / np.sqrt(np.mean(voice[heard] ** 2))

    before, after = round(line.before * rate), round(line.after * rate)
    recorded = np.pad(voice, (before, after))
    recorded += 10 ** (line.floor / 20) * rng.standard_normal(len(recorded))
    return np.clip(np.round(recorded * 32768), -32768, 32767).astype("<i2")


def _wav(samples: np.ndarray, *, sample_rate: int) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    return stream.getvalue()


def _read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)


if __name__ == "__main__":
    _main()
