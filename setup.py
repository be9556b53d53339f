"""What pyproject.toml cannot say: the files of the repository that a wheel carries in the package.

`ser_tinyml.provenance.shipped` finds them. An editable installation reads the repository's own.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MODEL = (
    *("int8.tflite", "features.json", "normalisation.json", "labels.json", "decision.json"),
    *("hidden.npz", "MODEL_CARD.md"),
)
SHIPPED = (  # the released models, a virtual board and its test, the sketch to flash
    *(f"{folder}/{name}" for folder in ("models", "models/large") for name in MODEL),
    "models/large/golden/*",
    "models/large/model/*",
    "firmware/arduino_nano33/*.ino",
    "firmware/arduino_nano33/sketch.yaml",
    "firmware/arduino_nano33/golden/*",
    "firmware/arduino_nano33/src/board/*",
    "firmware/arduino_nano33/src/lstm/*",
    "firmware/arduino_nano33/src/model/*",
    "firmware/arduino_nano33/src/ser/*",
    "firmware/virtual_board/*.cpp",
    "firmware/browser/browser.cpp",
)
WHERE_BUILT = "firmware/browser/build/ser.wasm"  # by make site: for computers without tflite-micro


def shipped() -> list[str]:
    """Paths in the repository, as the pattern says."""
    found = {pattern: sorted(Path().glob(pattern)) for pattern in SHIPPED}
    missing = [pattern for pattern, paths in found.items() if not paths]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: expected files for the wheel, found none")
    built = sorted(Path().glob(WHERE_BUILT))
    return [path.as_posix() for paths in [*found.values(), built] for path in paths]


class BuildWithModel(build_py):
    """Copies them to ``ser_tinyml/shipped``, and into a source distribution."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in shipped():
                copy = Path(self.build_lib, "ser_tinyml", "shipped", name)
                self.mkpath(str(copy.parent))
                self.copy_file(name, str(copy))

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *shipped()]


setup(cmdclass={"build_py": BuildWithModel})
