"""One face for Keras, LiteRT and TFLite Micro: normalised features in, probabilities out.

LSTM state outlives an inference, so every runtime here starts each clip from a fresh state.
Only :class:`KerasRuntime` needs TensorFlow.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ser_tinyml.output import captured_output
from ser_tinyml.tflite.convert import (
    ConversionError,
    dequantise,
    io_quantisation,
    io_shape,
    operators,
    quantise,
)

if TYPE_CHECKING:
    from ser_tinyml.nets.keras import keras

_ARENA = 1 << 20  # bytes; far more than these models need, see TfliteMicroRuntime.arena_bytes
_CHUNK = 64  # clips


class RuntimeRefused(RuntimeError):
    """A runtime will not run a model; the message names the operator and says why."""


class Runtime(ABC):
    """What all runtimes have in common.

    Attributes
    ----------
    name
        For tables.
    input_shape
        (n_frames, n_inputs).
    """

    name: str
    input_shape: tuple[int, int]

    @abstractmethod
    def predict(self, features: np.ndarray, *, progress: bool = False) -> np.ndarray:
        """Probabilities of clips.

        Parameters
        ----------
        features : array of float32 [shape=(n, n_frames, n_inputs)]
            Normalised.
        progress
            Whether to show a progress bar.

        Returns
        -------
        array of float32 [shape=(n, n_classes)]

        Raises
        ------
        ValueError
            If the shape is not the model's.
        """

    def latency(self, features: np.ndarray, *, n: int = 100) -> float:
        """Median time of one inference, quantising and reset of state included, in seconds.

        Parameters
        ----------
        features : array of float32 [shape=(clips, n_frames, n_inputs)]
            Used in turn, one clip an inference.
        n
            Number of inferences, after one to warm up.
        """
        features = self._checked(features)
        seconds = []
        for i in range(n + 1):
            clip = features[i % len(features)][np.newaxis]
            start = time.perf_counter()
            self.predict(clip)
            seconds.append(time.perf_counter() - start)
        return float(np.median(seconds[1:]))

    def _checked(self, features: np.ndarray) -> np.ndarray:
        if features.ndim != 3 or features.shape[1:] != self.input_shape or not len(features):
            frames, inputs = self.input_shape
            raise ValueError(
                f"{self.name}: expected features of shape (n, {frames}, {inputs}), "
                f"found {features.shape}"
            )
        return features


class KerasRuntime(Runtime):
    """The model as it was trained.

    Parameters
    ----------
    model
        With an open batch.
    compiled
        False calls ``model.predict``, as the published latency was taken; most of that, for one
        clip, is Keras's own preparation. True calls the model's graph.
    """

    def __init__(self, model: keras.Model, *, compiled: bool = False) -> None:
        from ser_tinyml.nets.keras import tf

        self.name = "Keras, compiled" if compiled else "Keras"
        self.input_shape = tuple(model.input_shape[1:])
        self._model = model
        self._graph = None
        if compiled:
            self._graph = tf.function(lambda clips: model(clips, training=False))

    def predict(self, features: np.ndarray, *, progress: bool = False) -> np.ndarray:
        """See :meth:`Runtime.predict`."""
        features = np.asarray(self._checked(features), np.float32)
        if self._graph is None:
            return self._model.predict(features, batch_size=256, verbose=0)
        return self._graph(features).numpy()


class TfliteRuntime(Runtime):
    """A runtime of a ``.tflite`` file, one clip at a time."""

    def __init__(self, tflite: bytes) -> None:
        (batch, frames, inputs), (_, self._classes) = io_shape(tflite)
        if batch != 1:
            raise ConversionError(f"expected a model with a batch of 1, found {batch}")
        self.input_shape = (frames, inputs)
        self._tflite = tflite
        try:
            self.quantisation = io_quantisation(tflite)
        except ConversionError:
            self.quantisation = None

    @abstractmethod
    def _infer(self, clip: np.ndarray) -> np.ndarray:
        """Answer one clip [shape=(1, n_frames, n_inputs)] from a fresh state."""

    def predict(self, features: np.ndarray, *, progress: bool = False) -> np.ndarray:
        """See :meth:`Runtime.predict`."""
        self._checked(features)
        if self.quantisation is None:
            return self._run(np.asarray(features, np.float32), progress)
        scale, zero_point, output_scale, output_zero_point = self.quantisation
        answers = self._run(quantise(features, scale, zero_point), progress)
        return dequantise(answers, output_scale, output_zero_point)

    def predict_int8(self, features: np.ndarray, *, progress: bool = False) -> np.ndarray:
        """Answers of an int8 model as they leave it.

        Parameters
        ----------
        features : array of int8 [shape=(n, n_frames, n_inputs)]
            Quantised.
        progress
            Whether to show a progress bar.

        Returns
        -------
        array of int8 [shape=(n, n_classes)]

        Raises
        ------
        ValueError
            If the model or the features are not int8, or the shape is not the model's.
        """
        self._checked(features)
        if self.quantisation is None:
            raise ValueError(f"{self.name}: expected an int8 model, this one takes float32")
        if features.dtype != np.int8:
            raise ValueError(f"{self.name}: expected int8 features, found {features.dtype}")
        return self._run(features, progress)

    def _run(self, clips: np.ndarray, progress: bool) -> np.ndarray:
        answers = np.empty((len(clips), self._classes), clips.dtype)
        with _bar(len(clips), self.name, progress) as bar:
            for i in range(len(clips)):
                answers[i] = self._infer(clips[i : i + 1])
                bar.update()
        return answers


class LiteRTRuntime(TfliteRuntime):
    """LiteRT, the runtime of phones and computers, on one thread.

    Parameters
    ----------
    tflite
        Any variant.
    """

    name = "LiteRT"

    def __init__(self, tflite: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(tflite)
        try:
            with captured_output() as output:
                self._interpreter = Interpreter(model_content=tflite, num_threads=1)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise RuntimeRefused(f"LiteRT: {error} {output.text}".rstrip()) from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def _infer(self, clip: np.ndarray) -> np.ndarray:
        self._interpreter.reset_all_variables()
        self._interpreter.set_tensor(self._input, clip)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)[0]


class TfliteMicroRuntime(TfliteRuntime):
    """TFLite Micro's reference kernels, compiled for this computer: what the board must equal.

    Parameters
    ----------
    tflite
        Any variant that TFLite Micro runs.
    jobs
        Number of processes that share a long list of clips, each with an interpreter of its own;
        -1: one a core.

    Raises
    ------
    RuntimeRefused
        If TFLite Micro does not run the model; the message names the operator.
    """

    name = "TFLite Micro"

    def __init__(self, tflite: bytes, *, jobs: int = 1) -> None:
        from tflite_micro import runtime

        super().__init__(tflite)
        self._jobs = jobs
        try:
            with captured_output() as output:
                self._interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=_ARENA)
        except RuntimeError as error:
            raise RuntimeRefused(_refusal(tflite, output.text, error)) from error

    @property
    def arena_bytes(self) -> int:
        """Bytes of arena that the model takes on this computer.

        Pointers are 8 bytes long here and 4 on the board, which needs somewhat less.
        """
        with captured_output() as output:
            self._interpreter.print_allocations()
        found = re.search(r"Arena allocation total (\d+) bytes", output.text)
        if found is None:
            raise RuntimeError(f"expected TFLite Micro's arena report, found: {output.text}")
        return int(found[1])

    def _infer(self, clip: np.ndarray) -> np.ndarray:
        self._interpreter.reset()
        self._interpreter.set_input(clip, 0)
        self._interpreter.invoke()
        return self._interpreter.get_output(0)[0]

    def _run(self, clips: np.ndarray, progress: bool) -> np.ndarray:
        if self._jobs == 1 or len(clips) <= _CHUNK:
            return super()._run(clips, progress)
        from joblib import Parallel, delayed

        chunks = [clips[i : i + _CHUNK] for i in range(0, len(clips), _CHUNK)]
        parts = Parallel(n_jobs=self._jobs, return_as="generator")(
            delayed(_run_chunk)(self._tflite, chunk) for chunk in chunks
        )
        answers = []
        with _bar(len(clips), self.name, progress) as bar:
            for part in parts:
                answers.append(part)
                bar.update(len(part))
        return np.concatenate(answers)


def agreement(a: np.ndarray, b: np.ndarray, *, unit: float = 1 / 256) -> dict[str, Any]:
    """Compare two runtimes' answers to the same clips.

    Parameters
    ----------
    a, b : array [shape=(n, n_classes)]
        Both int8, or both probabilities.
    unit
        Probability that one int8 step stands for; not used for int8.

    Returns
    -------
    dict
        ``n``; ``same_label``, the share of clips with the same most probable class;
        ``identical``, the share with equal answers; ``max_units`` and ``mean_units``, the
        absolute difference in int8 steps.

    Raises
    ------
    ValueError
        If the shapes differ, there is no clip, or one is int8 and the other is not.
    """
    if a.shape != b.shape or a.ndim != 2 or not len(a):
        raise ValueError(f"expected equal shapes (n, classes), found {a.shape} and {b.shape}")
    whole = [np.issubdtype(x.dtype, np.integer) for x in (a, b)]
    if whole[0] != whole[1]:
        raise ValueError(f"expected two of a kind, found {a.dtype} and {b.dtype}")
    units = np.abs(a.astype(np.float64) - b.astype(np.float64)) / (1 if whole[0] else unit)
    return {
        "n": len(a),
        "same_label": float((a.argmax(axis=1) == b.argmax(axis=1)).mean()),
        "identical": float((units == 0).all(axis=1).mean()),
        "max_units": float(units.max()),
        "mean_units": float(units.mean()),
    }


def _bar(total: int, name: str, shown: bool) -> tqdm:
    return tqdm(total=total, desc=name, unit="clip", mininterval=1, disable=not shown)


def _run_chunk(tflite: bytes, clips: np.ndarray) -> np.ndarray:
    """One worker's share."""
    return TfliteMicroRuntime(tflite)._run(clips, progress=False)


def _refusal(tflite: bytes, output: str, error: Exception) -> str:
    """Say which operator TFLite Micro stumbled over, in its own words."""
    named = re.search(r"Node (\w+) \(number|op ?code '?(\w+)", output)
    operator = next((name for name in named.groups() if name), None) if named else None
    present = list(dict.fromkeys(operators(tflite)))
    if operator == "CUSTOM":
        operator = ", ".join(name for name in present if name.startswith("CUSTOM:"))
    said = " ".join(line.strip() for line in output.splitlines() if line.strip()) or str(error)
    where = f"at {operator}" if operator else f"somewhere in {', '.join(present)}"
    return f"TFLite Micro refuses the model {where}: {said}"
