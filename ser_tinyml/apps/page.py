"""A web page for recordings, by Streamlit: upload some, or record one, and see what is heard.

``ser-tinyml page`` starts it; Streamlit runs this file anew for every change on the page.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ser_tinyml.apps import upload

PICTURES = ("png", "jpg", "jpeg", "webp", "bmp")
KINDS = ("wav", "flac", "ogg", "opus", "mp3", "m4a", "aac", "mp4", "webm", "3gp", "amr", "wma")


def serve(*, host: str, port: int) -> int:
    """Start Streamlit with this page, until it is stopped.

    Parameters
    ----------
    host
        Address to listen at.
    port
        Of TCP.

    Returns
    -------
    status
        That Streamlit ends with.
    """
    settings = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.maxUploadSize": upload.MOST_MB,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "streamlit", "run", __file__, *options]
    with subprocess.Popen(command, env=upload.with_package()) as page:
        signal.signal(signal.SIGTERM, lambda *_: page.terminate())  # as a container is stopped
        return page.wait()


def table(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each recording that could be read.

    Parameters
    ----------
    answers
        Objects of ``docs/predict.schema.json``, or with an ``error``.
    """
    return [
        {
            "file": one["file"],
            "answer": said(one),
            **one["probabilities"],
            "seconds": one["duration_s"],
        }
        for one in answers
        if "error" not in one
    ]


def table_of_system(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of answers of one of the field's systems, which are always a label."""
    return [
        {"file": one["file"], "answer": one["label"], **one["probabilities"]}
        for one in answers
        if "error" not in one
    ]


def said(one: dict[str, Any]) -> str:
    """An answer in a few words."""
    if one["reason"]:
        return f"no speech heard ({one['reason']})"
    return one["label"] or f"unsure, leaning to {one['guess']}"


def about(metrics: dict[str, Any], labels: list[str]) -> str:
    """What the model is and what it is not, as Markdown."""
    from ser_tinyml.apps.answering import measured_uar

    evaluated = metrics.get("07_evaluate")
    score = "This model was not tested on speakers that it never heard."
    if evaluated:
        unsure = evaluated["unsure"]["all"]
        score = (
            f"On actors that it never heard, its UAR is {measured_uar(evaluated):.0%} "
            f"(chance: {1 / len(labels):.0%}). It answers {unsure['coverage']:.0%} of the clips, "
            f"and {unsure['answered_accuracy']:.0%} of these answers are right."
        )
    return (
        f"An int8 network that fits a microcontroller answers with one of {', '.join(labels)}, or "
        f"is unsure. {score} It learned from actors who read English sentences. Actors are not "
        "people having feelings, and a class is not a state of mind: do not use it to judge, hire, "
        "watch or treat anyone."
    )


def _show(one: upload.Uploaded, streamlit: Any) -> None:
    """A recording's answer, picture and timeline."""
    if one.error:
        streamlit.error(one.error)
        return
    streamlit.subheader(f"{one.answer['file']}: {said(one.answer)}", anchor=False)
    streamlit.image(one.picture, caption="Sound, mel bands, and probabilities over time")
    rows = [
        {
            "from (s)": heard["start_s"],
            "to (s)": heard["end_s"],
            "a board would say": heard["label"] or f"unsure, leaning to {heard['guess']}",
            **heard["probabilities"],
        }
        for heard in one.answer["utterances"]
    ]
    if rows:
        streamlit.dataframe(rows, hide_index=True)


def _of_system(one: upload.Uploaded, streamlit: Any) -> None:
    """What one of the field's systems answered, and what it looked at."""
    if one.error:
        streamlit.error(one.error)
        return
    label, probabilities = one.answer["label"], one.answer["probabilities"]
    streamlit.subheader(f"{one.answer['file']}: {label}, {probabilities[label]:.0%}", anchor=False)
    if one.picture:
        streamlit.image(one.picture, caption="The spectrogram that it looked at")
    streamlit.bar_chart(probabilities, horizontal=True)


def _given(streamlit: Any, *, key: str, kinds: Sequence[str]) -> list[tuple[str, bytes]]:
    """Names and bytes of what was uploaded and recorded."""
    files = streamlit.file_uploader(
        f"Recordings: up to {upload.MOST_MB} MB and {upload.LONGEST_S // 60} minutes each",
        type=list(kinds),
        accept_multiple_files=True,
        key=f"files {key}",
    )
    given = [(file.name, file.getvalue()) for file in files]
    recorded = streamlit.audio_input("Or speak", key=f"spoken {key}")
    if recorded is not None:
        given.append(("your voice", recorded.getvalue()))
    return given


def _answered(streamlit: Any, *, system: str = "", kinds: Sequence[str] = KINDS) -> list[Any]:
    """Answers to all that is given in a tab; what was answered before is not done again."""
    from ser_tinyml import files

    shown = streamlit.session_state.setdefault(f"answers {system}", {})
    kept = {}
    for name, data in _given(streamlit, key=system, kinds=kinds):
        key = (name, files.sha256_bytes(data))
        if key not in shown:
            with streamlit.spinner(f"{name} …"):
                shown[key] = upload.answer(data, name=name, system=system)
        kept[key] = shown[key]
    streamlit.session_state[f"answers {system}"] = kept  # the others were taken back
    return list(kept.values())


def _downloads(streamlit: Any, rows: list[dict[str, Any]], answers: list[Any], key: str) -> None:
    """A table of what was read, and both as files."""
    import pandas as pd

    if not rows:
        return
    streamlit.dataframe(rows, hide_index=True)
    left, right = streamlit.columns(2)
    left.download_button(
        "Table as CSV",
        pd.DataFrame(rows).to_csv(index=False),
        "answers.csv",
        "text/csv",
        key=f"csv {key}",
    )
    right.download_button(
        "All as JSON",
        json.dumps(answers, indent=2),
        "answers.json",
        "application/json",
        key=f"json {key}",
    )


def _systems() -> list[Any]:
    """Systems of the field that were trained here; none where the package was installed alone."""
    if not all(importlib.util.find_spec(name) for name in ("librosa", "sklearn", "pandas")):
        return []
    from ser_tinyml.apps import field

    return field.trained()


def main() -> None:
    """The page, from top to bottom."""
    import streamlit

    from ser_tinyml import files
    from ser_tinyml.tflite import release

    streamlit.set_page_config(page_title="ser-tinyml", page_icon="🎙️")
    streamlit.title("Hear emotion in speech", anchor=False)
    metrics = release.FOLDER / "metrics.json"
    known = files.read_json(metrics) if metrics.is_file() else {}
    streamlit.markdown(about(known, files.read_json(release.FOLDER / "labels.json")))
    streamlit.caption(
        "Recordings go to the computer that runs this page, are answered there and kept nowhere."
    )
    systems = _systems()
    board, *others = streamlit.tabs(["The board's network", *_tabs(systems)])
    with board:
        found = _answered(streamlit)
        for one in found:
            _show(one, streamlit)
        answers = [one.answer for one in found]
        _downloads(streamlit, table(answers), answers, "")
    for system, tab in zip(systems, others, strict=True):
        with tab:
            _system(streamlit, system)


def _tabs(systems: Sequence[Any]) -> list[str]:
    """What the tabs of systems are called: in short, where that tells them apart."""
    short = [system.title.partition(" over ")[0] for system in systems]
    return [
        name if short.count(name) == 1 else system.title
        for name, system in zip(short, systems, strict=True)
    ]


def _system(streamlit: Any, system: Any) -> None:
    """The tab of one of the field's systems."""
    pictures = PICTURES if system.read_picture else ()
    streamlit.markdown(
        f"{system.title}: trained by `make systems` on this computer, on actors; it always "
        "answers, also where nobody speaks."
        + (" It takes a picture of a spectrogram, too." if pictures else "")
    )
    found = _answered(streamlit, system=system.name, kinds=(*KINDS, *pictures))
    for one in found:
        _of_system(one, streamlit)
    answers = [one.answer for one in found]
    _downloads(streamlit, table_of_system(answers), answers, system.name)


if __name__ == "__main__":  # Streamlit runs it so
    main()
