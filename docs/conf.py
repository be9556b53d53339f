"""Settings of Sphinx, which makes the site of the docs: `make docs`."""

from __future__ import annotations

import html
import re
from itertools import takewhile
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.domains.python import PyObject
from sphinx.util import logging

from ser_tinyml import __version__, files

project = "ser-tinyml"
author = "the ser-tinyml contributors"
release = version = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
default_role = "code"
highlight_language = "none"  # of a block that names none

# Texts and notebooks. The notebooks are shown as they are committed.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}  # these would come from another server
nb_merge_streams = True

# The API. These take long to import and are only imported by what trains.
autodoc_mock_imports = ["tensorflow", "tf_keras", "keras", "pyspark", "streamlit"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
suppress_warnings = ["ref.python"]  # a type hint of which there are two: it is shown, not linked
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# How it looks. Nothing is asked of another server: no fonts, no scripts.
html_theme = "furo"
html_title = "ser-tinyml"
html_static_path = ["static"]
html_css_files = ["house.css"]
html_favicon = "../site/icon.svg"
html_copy_source = False
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "beside.html", "sidebar/search.html", "sidebar/scroll-start.html"),
        *("sidebar/navigation.html", "sidebar/scroll-end.html"),
    ]
}
html_show_sphinx = False
html_math_renderer = "mathml"
templates_path = ["templates"]
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

_NAMES = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \[shape=(.*)\])?$")  # of a section
_ONE_SHAPE = re.compile(r"\([^()]*\)")
_IN_TEXT = re.compile(r"\[shape=((?:[^\[\]]|\[\])*)\]")
_LARGER = re.compile(r"\\[bB]igg?[lr]?(?![a-zA-Z])")  # larger brackets, which MathML makes itself


def shapes(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Turn our way to tell shapes, ``left, right [shape=(n,)]``, into what napoleon reads.

    Each name becomes an entry of its own, with its shape in the line below it.
    """
    told: list[str] = []
    for start, line in enumerate(lines):
        found = _NAMES.match(line)
        below = list(takewhile(lambda text: text[:1] in ("", " "), lines[start + 1 :]))
        told_of = found is not None and (found[2] or (below and below[0].strip()))
        if not told_of:
            told.append(_IN_TEXT.sub(r"of shape ``\1``", line))
            continue
        names = found[1].split(", ")
        each = _ONE_SHAPE.findall(found[2] or "")
        each = each if len(each) == len(names) > 1 else [found[2]] * len(names)
        for nth, (one, shape) in enumerate(zip(names, each, strict=True)):
            told += [one, *([f"    Shape ``{shape}``."] if shape else [])]
            told += below if nth < len(names) - 1 else []  # the last one's follows by itself
    lines[:] = told


def mathml(node: nodes.Element) -> str:
    """A formula as MathML, which browsers show without a script."""
    tex = _LARGER.sub("", node.astext())
    try:
        return tex2mathml(tex, as_block=isinstance(node, nodes.math_block))
    except MathError as error:
        logging.getLogger("docs").warning("%s: %s", tex, error, location=node)
        return html.escape(tex)


def inline_math(writer: Any, node: nodes.math) -> None:
    """A formula in a line."""
    writer.body.append(mathml(node))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.math_block) -> None:
    """A formula of its own."""
    writer.body.append(f'<div class="formula">{mathml(node)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx what is ours."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # as numpydoc calls them
    ours = files.sha256_bytes(files.read_bytes(__file__))
    app.add_config_value("made_by", ours, "env")  # another conf.py: every page is read anew
    app.connect("autodoc-process-docstring", shapes, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
