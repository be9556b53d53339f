"""Conv1D over 162 features, seven classes, compiled ahead of time; and the widest twin for a board.

The published system (a use case of the platform cAInvas, compiled by its deepC) takes 1.29 MB in
int8, more than the 983 KB that the board's bootloader leaves. The twin has the same layers, as wide
as 600 KB of model allow.
"""

from __future__ import annotations

from dataclasses import replace

from ser_tinyml.systems.exports import c_program, conv_board, onnx_file
from ser_tinyml.systems.exports import conv162 as exports
from ser_tinyml.systems.face import PUBLISHED, SPEAKERS, Export, System, Test
from ser_tinyml.systems.parts import conv162_features as recipe
from ser_tinyml.systems.parts import conv162_net as net
from ser_tinyml.systems.parts.conv162_net import Settings
from ser_tinyml.systems.parts.keras_fit import FitSettings

BOARD_FILTERS = (168, 84, 42)  # the widest multiples of 4, 2 and 1 whose int8 file fits
BOARD_BYTES = 600_000  # of the int8 file, at most
QUICK = FitSettings(epochs=1, batch_size=32)
# Where the speakers are known, the validation still gains after five passes; about others it
# stopped gaining after two to four.
LONGER = FitSettings(epochs=15, patience=15, batch_size=32)

TESTS = {
    PUBLISHED: Test(
        rows={"protocol": "clip_random", "class_set": "seven", "test_fraction": 0.25},
        quoted={"accuracy": 0.61},
        source="public notebooks of this recipe, with copies of the test clips in training",
        settings=Settings(fit=LONGER),
    ),
    SPEAKERS: Test(rows={"protocol": "speaker", "class_set": "seven"}),
}

CONV162 = System(
    name="conv162",
    title="Conv1D over 162 features (cAInvas)",
    extra="conv162",
    sample_rate=recipe.RATE,
    least_s=0.7,  # the part that is left out, and one frame
    prepare=recipe.prepare,
    versions={
        "noise": recipe.noise,
        "stretch_shift_pitch": recipe.stretch_shift_pitch,
    },
    features=recipe.features,
    train=net.train,
    load=net.load,
    settings=Settings(),
    quick=Settings(filters=(16, 8, 8), fit=QUICK),
    tests=TESTS,
    exports={
        "c": Export(
            about="plain C, made ahead of time",
            make=exports.as_c,
            modules=(*onnx_file.MODULES, *c_program.MODULES),
            tools=c_program.TOOLS,
        )
    },
)

BOARD = replace(
    CONV162,
    name="conv162_board",
    title="Conv1D over 162 features (twin for the board)",
    settings=Settings(filters=BOARD_FILTERS, places=True),
    quick=Settings(filters=(16, 8, 8), places=True, fit=QUICK),
    tests={name: Test(rows=TESTS[name].rows) for name in (PUBLISHED, SPEAKERS)},
    exports={
        "int8": Export(
            about="int8 on TFLite Micro", make=exports.as_int8, difference=0.02, same=0.97
        ),
        "board": Export(
            about="C++ for the board, counted on an emulated one",
            make=exports.as_board,
            tools=conv_board.TOOLS,
            difference=0.02,
            same=0.97,
        ),
    },
    shipped="board",  # the bits of int8, and what they cost
)

SYSTEMS = (CONV162, BOARD)
