"""The one door to TensorFlow: everything that needs ``tf`` or ``keras`` imports them from here.

Keras 3 does not convert to the fused LSTM operator that TFLite Micro runs
(https://github.com/tensorflow/tflite-micro/issues/3674); tf_keras does. Which of the two
``tf.keras`` means is settled when TensorFlow is imported, so it has to be said before that.
"""

from __future__ import annotations

import contextlib
import os
import sys

from ser_tinyml.output import captured_output

if "tensorflow" in sys.modules and os.environ.get("TF_USE_LEGACY_KERAS") != "1":
    raise ImportError(
        "tensorflow was imported before ser_tinyml.nets.keras: import ser_tinyml.nets.keras first, "
        "or set TF_USE_LEGACY_KERAS=1 in the environment"
    )
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors still show
# Without it, TensorFlow uses oneDNN's kernels on some processors alone. They are faster on the
# others, too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Without a GPU, TensorFlow complains of that at length, in C++, when it is imported and again when
# it first looks for one: it does both here, and is heard only if the import fails.
try:
    with captured_output() as _output:
        import tensorflow as tf
        import tf_keras as keras

        tf.config.list_physical_devices()
except ImportError as error:
    raise ImportError(f"TensorFlow cannot be imported: {error}\n{_output.text}") from error

__all__ = ["keras", "make_deterministic", "one_thread", "tf"]


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and let TensorFlow use deterministic operators only.

    Parameters
    ----------
    seed
        Any integer from 0.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def one_thread() -> None:
    """Keep TensorFlow to one core, for processes that run side by side.

    Where it has computed something already its threads are there, and it stays as it is: a process
    that trains alone, without others beside it.
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
