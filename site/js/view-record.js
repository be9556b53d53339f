// Record your own: labelled clips for a model of one's own, as a zip that the pipeline reads.

import { byId, download, element, onClick } from "./dom.js";
import { Problem } from "./link.js";
import { Microphone } from "./microphone.js";
import { play, wav } from "./sound.js";
import { csvRow, zip } from "./zip.js";

const LONGEST_S = 10;
const SHORTEST_S = 0.5;

/** What is wrong with a label; nothing if it will do. */
export function labelProblem(label, { most_bytes: most, taken }) {
  if (new TextEncoder().encode(label).length > most) {
    return `“${label}” is too long: at most ${most} letters, fewer in other scripts.`;
  }
  if (taken.includes(label.toLowerCase())) return `“${label}” has a meaning of its own: choose another.`;
  return "";
}

/** Files of the zip: the clips, and the table that says what they are. */
export function archive(clips, rate) {
  const names = clips.map((_, i) => `clip_${String(i + 1).padStart(3, "0")}.wav`);
  const rows = clips.map(({ label, speaker }, i) => csvRow([names[i], label, speaker]));
  const table = new TextEncoder().encode(csvRow(["file", "label", "speaker"]) + rows.join(""));
  return [["labels.csv", table], ...clips.map((clip, i) => [names[i], wav(clip.samples, rate)])];
}

const wave = (canvas, samples) => {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(Math.max(240, canvas.clientWidth) * ratio);
  canvas.height = Math.round(64 * ratio);
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).color;
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (let x = 0; x < canvas.width; x++) {
    const from = Math.floor((x / canvas.width) * samples.length);
    const to = Math.max(from + 1, Math.floor(((x + 1) / canvas.width) * samples.length));
    const most = samples.subarray(from, to).reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const size = Math.max(1, (most / peak) * canvas.height * 0.95);
    context.fillRect(x, (canvas.height - size) / 2, 1, size);
  }
};

/** A recording in the making. */
class Take {
  pieces = [];
  count = 0;
  #microphone = new Microphone();

  async start(rate, onFull) {
    await this.#microphone.start(rate, (samples) => {
      if (this.count >= LONGEST_S * rate) return;
      this.pieces.push(samples);
      this.count += samples.length;
      if (this.count >= LONGEST_S * rate) onFull();
    });
  }

  async stop() {
    await this.#microphone.stop();
    const whole = new Int16Array(this.count);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

export function recordView(page) {
  const rate = page.meter.status.sample_rate;
  const kept = [];
  let label = null;
  let take = null;
  let samples = null;

  const labels = () => [
    ...new Set(
      byId("labels")
        .value.split(",")
        .map((text) => text.trim().replace(/\s+/g, " ").normalize("NFC"))
        .filter(Boolean),
    ),
  ];

  function choices() {
    const names = labels();
    if (!names.includes(label)) [label] = names;
    const buttons = names.map((name) => {
      const count = kept.filter((clip) => clip.label === name).length;
      const button = element("button", { type: "button", textContent: `${name} (${count})` });
      button.setAttribute("aria-pressed", String(name === label));
      button.addEventListener("click", () => {
        label = name;
        choices();
      });
      return button;
    });
    byId("choices").replaceChildren(...buttons);
  }

  async function end() {
    samples = await take.stop();
    take = null;
    byId("take").textContent = "Record";
    byId("take-state").textContent = "";
    if (samples.length < SHORTEST_S * rate) throw new Problem("That was too short: half a second or more.");
    byId("taken").hidden = false;
    byId("taken-what").textContent = `“${label}”, ${(samples.length / rate).toFixed(1)} s`;
    wave(byId("taken").querySelector("canvas"), samples);
    byId("keep").focus();
  }

  onClick(byId("take"), async () => {
    if (take) return end();
    const wrong = labels().map((name) => labelProblem(name, page.settings.label)).find(Boolean);
    if (wrong || labels().length < 2) throw new Problem(wrong || "Write two labels or more.");
    byId("taken").hidden = true;
    const next = new Take();
    await next.start(rate, () => byId("take").click());
    take = next;
    byId("take").textContent = "Stop";
    byId("take-state").textContent = `Speak: “${label}”. It stops by itself after ${LONGEST_S} s.`;
    return undefined;
  });

  onClick(byId("hear-again"), () => play(samples, rate).ended);
  onClick(byId("discard"), () => (byId("taken").hidden = true));
  onClick(byId("keep"), () => {
    kept.push({ label, speaker: byId("speaker").value.trim() || "me", samples });
    byId("taken").hidden = true;
    byId("kept").textContent = kept.length === 1 ? "1 clip is kept." : `${kept.length} clips are kept.`;
    choices();
    byId("download").disabled = false;
  });
  onClick(byId("download"), () => download("my-recordings.zip", zip(archive(kept, rate))));
  byId("download").disabled = true;

  byId("labels").value = page.meter.status.labels.join(", ");
  byId("labels").addEventListener("change", choices);
  choices();
  window.addEventListener("beforeunload", (event) => {
    if (kept.length) event.preventDefault();
  });
}
