// A recording: dropped, chosen or built in; answered as ser-tinyml predict answers it.

import { answer, largest } from "./answering.js";
import { byId, download, element, onClick, percent, say, seconds, swatch } from "./dom.js";
import { draw } from "./draw.js";
import { decode, play } from "./sound.js";
import { Bars } from "./panel.js";

const WHY = {
  silent: "The recording is silent.",
  "steady sound": "Nothing rises above a steady sound.",
  "no voice": "Nothing in it sounds like somebody who speaks.",
};

/** The answer in words. */
export function verdict(found, labels) {
  if (found.guess === null) return "No speech heard";
  const best = percent(found.probabilities[labels.indexOf(found.guess)]);
  return found.answered ? `${found.guess}, ${best}` : `Unsure, leaning to ${found.guess}, ${best}`;
}

/** The answer in the fields of ser-tinyml predict --json; a browser does not tell what a file lacks. */
function asJson(name, found, labels) {
  const named = (values) => Object.fromEntries(labels.map((label, i) => [label, values[i]]));
  return {
    file: name,
    label: found.answered ? found.guess : null,
    guess: found.guess,
    answered: found.answered,
    reason: found.reason,
    probabilities: named(found.probabilities),
    duration_s: found.durationS,
    utterances: found.utterances.map((one) => ({
      start_s: one.startS,
      end_s: one.endS,
      label: one.answered ? one.guess : null,
      guess: one.guess,
      answered: one.answered,
      probabilities: named(one.probabilities),
    })),
  };
}

function picture(page, samples, found) {
  const { settings, meter } = page;
  const { labels, sample_rate: rate } = meter.status;
  const all = meter.logMel(samples);
  const count = meter.melCount;
  const bands = Array.from({ length: all.length / count }, (_, frame) => [
    frame * meter.hopS,
    all.subarray(frame * count, (frame + 1) * count),
  ]);
  const steps = found.utterances.flatMap((one) =>
    one.timeline.map((step, i) => [step.timeS, step.probabilities, i === 0]),
  );
  const spans = found.utterances.map((one) => ({
    from: one.startS,
    to: one.endS,
    colour: one.answered ? settings.colours[one.guess] : "#888888",
    alpha: one.answered ? 0.35 : 0.15,
  }));
  const toS = found.durationS;
  const threshold = settings.rules.threshold;
  const { colours } = settings;
  const what = { fromS: 0, toS, samples, sampleFromS: 0, rate, bands, hopS: meter.hopS };
  return { ...what, steps, labels, colours, threshold, spans };
}

/** A row of the timeline: when, what, and a button that plays it. */
function utteranceRow(page, samples, one) {
  const { labels, sample_rate: rate } = page.meter.status;
  const best = percent(one.probabilities[largest(one.probabilities)]);
  const button = element("button", { type: "button", textContent: "Play" });
  button.setAttribute("aria-label", `Play ${seconds(one.startS)} to ${seconds(one.endS)}`);
  onClick(button, () =>
    play(samples.slice(Math.round(one.startS * rate), Math.round(one.endS * rate)), rate).ended,
  );
  const said = one.answered ? one.guess : `unsure, leaning to ${labels[largest(one.probabilities)]}`;
  const colour = one.answered ? page.settings.colours[one.guess] : "transparent";
  const when = `${seconds(one.startS)} – ${seconds(Math.min(one.endS, samples.length / rate))}`;
  return element(
    "tr",
    {},
    element("td", { textContent: when }),
    element("td", {}, swatch(colour), said),
    element("td", { textContent: best }),
    element("td", {}, button),
  );
}

function timeline(page, samples, found) {
  if (!found.utterances.length) return [];
  const head = ["When", "What a board would say", "How probable", ""];
  const table = element("table", {}, element("caption", { textContent: "Timeline" }));
  const cells = head.map((text) => element("th", { scope: "col", textContent: text }));
  table.append(element("thead", {}, element("tr", {}, ...cells)));
  const rows = found.utterances.map((one) => utteranceRow(page, samples, one));
  table.append(element("tbody", {}, ...rows));
  const hint = element("p", {
    className: "hint",
    textContent:
      "The answer above is of whole sentences, as models are scored. The timeline is what a board " +
      "says while it listens: the mean of its last steps, so the numbers differ a little.",
  });
  return [element("div", { className: "scroll" }, table), hint];
}

function card(page, name, samples, found) {
  const { labels, sample_rate: rate } = page.meter.status;
  const bars = element("ul", { className: "bars" });
  bars.setAttribute("aria-label", "Probabilities of the whole recording");
  new Bars(bars, labels, page.settings.colours).show(found.guess === null ? null : found.probabilities);
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Sound, mel bands and probabilities of the recording");
  const hear = element("button", { type: "button", textContent: "Play all" });
  onClick(hear, () => play(samples, rate).ended);
  const save = element("button", { type: "button", textContent: "Answer as JSON" });
  onClick(save, async () => {
    const text = JSON.stringify(asJson(name, found, labels), null, 2);
    download(`${name}.json`, new Blob([text], { type: "application/json" }));
  });
  const said = element("p", { className: "said" });
  if (found.answered) said.append(swatch(page.settings.colours[found.guess]));
  said.append(verdict(found, labels));
  const made = element(
    "article",
    { className: "card" },
    element("h3", { textContent: name }),
    said,
    element("p", { className: "more", textContent: WHY[found.reason] ?? seconds(found.durationS) }),
    bars,
    canvas,
    element("div", { className: "row" }, hear, save),
    ...timeline(page, samples, found),
  );
  made.found = found;
  return { made, redraw: () => draw(canvas, picture(page, samples, found)) };
}

export function fileView(page) {
  const progress = byId("file-progress");
  const redraws = [];

  async function show(name, samples) {
    const found = await answer(page.fileCore, samples, (share) => {
      progress.textContent = `${name}: ${percent(share)}`;
    });
    const { made, redraw } = card(page, name, samples, found);
    byId("answers").prepend(made);
    redraws.push(redraw);
    redraw();
    progress.textContent = `${name}: ${verdict(found, page.meter.status.labels)}`;
  }

  async function takeAll(files) {
    say(null);
    for (const file of files) {
      progress.textContent = `${file.name}: being read …`;
      try {
        const { longest_s: longestS } = page.settings.rules;
        const how = { longestS, name: file.name };
        const bytes = await file.arrayBuffer();
        await show(file.name, await decode(bytes, page.meter.status.sample_rate, how));
      } catch (problem) {
        progress.textContent = "";
        say(problem);
      }
    }
  }

  // One at a time: there is one core, and answers come in the order of the questions.
  let busy = Promise.resolve();
  const queue = (given) => {
    const files = [...given]; // now: the list empties when the field does
    busy = busy.then(() => takeAll(files));
  };
  const chosen = byId("chosen");
  chosen.addEventListener("change", () => {
    queue(chosen.files);
    chosen.value = "";
  });
  const drop = byId("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") queue(event.dataTransfer.files);
    });
  }
  onClick(byId("try"), async () => {
    const name = byId("sample").value;
    const samples = await page.voice(name);
    await (busy = busy.then(() => show(`voice “${name}”`, samples)));
  });
  return { redraw: () => redraws.forEach((redraw) => redraw()) };
}
