"""A web page for recordings, by Streamlit: upload some, or record one, and see what is heard.

``ser-tinyml page`` starts it; Streamlit runs this file anew for every change on the page.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

from ser_tinyml.apps import upload

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


def said(one: dict[str, Any]) -> str:
    """An answer in a few words."""
    if one["reason"]:
        return f"no speech heard ({one['reason']})"
    return one["label"] or f"unsure, leaning to {one['guess']}"


def about(metrics: dict[str, Any], labels: list[str]) -> str:
    """What the model is and what it is not, as Markdown."""
    evaluated = metrics.get("07_evaluate")
    score = "This model was not tested on speakers that it never heard."
    if evaluated:
        unsure = evaluated["unsure"]["all"]
        score = (
            f"On actors that it never heard, its UAR is {evaluated['bars'][0]['measured']:.0%} "
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


def _given(streamlit: Any) -> list[tuple[str, bytes]]:
    """Names and bytes of what was uploaded and recorded."""
    files = streamlit.file_uploader(
        f"Recordings: up to {upload.MOST_MB} MB and {upload.LONGEST_S // 60} minutes each",
        type=list(KINDS),
        accept_multiple_files=True,
    )
    given = [(file.name, file.getvalue()) for file in files]
    recorded = streamlit.audio_input("Or speak")
    if recorded is not None:
        given.append(("your voice", recorded.getvalue()))
    return given


def _downloads(streamlit: Any, answers: list[dict[str, Any]]) -> None:
    import pandas as pd

    rows = table(answers)
    streamlit.dataframe(rows, hide_index=True)
    left, right = streamlit.columns(2)
    left.download_button(
        "Table as CSV", pd.DataFrame(rows).to_csv(index=False), "answers.csv", "text/csv"
    )
    right.download_button(
        "All as JSON", json.dumps(answers, indent=2), "answers.json", "application/json"
    )


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
    (board,) = streamlit.tabs(["The board's network"])
    with board:
        shown = streamlit.session_state.setdefault("answers", {})
        given = _given(streamlit)
        kept = {}
        for name, data in given:
            key = (name, files.sha256_bytes(data))
            if key not in shown:
                with streamlit.spinner(f"{name} …"):
                    shown[key] = upload.answer(data, name=name)
            kept[key] = shown[key]
        streamlit.session_state["answers"] = kept  # the others were taken back
        for one in kept.values():
            _show(one, streamlit)
        if table([one.answer for one in kept.values()]):
            _downloads(streamlit, [one.answer for one in kept.values()])


if __name__ == "__main__":  # Streamlit runs it so
    main()
