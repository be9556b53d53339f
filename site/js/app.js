// Starts the page: firmware, settings, views, and the service worker that keeps them.

import { Core, compile } from "./core.js";
import { byId, element, percent, say, swatch } from "./dom.js";
import { decode } from "./sound.js";
import { boardView } from "./view-board.js";
import { fileView } from "./view-file.js";
import { liveView } from "./view-live.js";
import { recordView } from "./view-record.js";

const VIEWS = ["live", "file", "board", "record", "about"];

async function fetched(name) {
  const answer = await fetch(new URL(`../${name}`, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: expected a file of this page, found ${answer.status}.`);
  return answer;
}

/** Samples of the built-in voices, decoded when they are first wanted. */
function voices(page) {
  const known = new Map();
  return async (name) => {
    if (!known.has(name)) {
      const { file } = page.settings.voices.find((voice) => voice.name === name);
      const bytes = await (await fetched(file)).arrayBuffer();
      const how = { longestS: page.settings.rules.longest_s, name };
      known.set(name, await decode(bytes, page.meter.status.sample_rate, how));
    }
    return known.get(name);
  };
}

function options(page) {
  const words = (voice) => voice.about.replace(/^synthetic speech, /, "");
  for (const id of ["voice", "sample", "pair-voice"]) {
    const speaks = (voice) => id !== "voice" || voice.about.startsWith("synthetic speech, ");
    const made = page.settings.voices
      .filter(speaks)
      .map((voice) => element("option", { value: voice.name, textContent: words(voice) }));
    byId(id).append(...made);
  }
}

function about({ settings, meter }) {
  const { status } = meter;
  for (const label of status.labels) {
    byId("about-labels").append(element("li", {}, swatch(settings.colours[label]), label));
  }
  const { measured } = settings;
  byId("about-measured").textContent = measured
    ? `On actors that it never heard, ${percent(measured.uar)} of each emotion's clips were ` +
      `recognised, on average (chance: ${percent(1 / status.labels.length)}). It answers ` +
      `${percent(measured.answered)} of the clips and is unsure of the others; ` +
      `${percent(measured.right)} of the answers are right. People in rooms, with other ` +
      "microphones, are harder."
    : "This model was not tested on speakers that it never heard.";
  const facts = {
    Model: `${status.model}, ${status.steps} steps of ${status.inputs} numbers`,
    Engine: `${status.engine}, in WebAssembly`,
    Sound: `${status.sample_rate} Hz, a frame each ${status.hop_length} samples`,
  };
  for (const [term, text] of Object.entries(facts)) {
    byId("about-inside").append(
      element("dt", { textContent: term }),
      element("dd", { textContent: text }),
    );
  }
}

/** Shows the view that the address names. */
function route(onShow, focus) {
  const name = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : VIEWS[0];
  for (const view of VIEWS) {
    byId(view).hidden = view !== name;
    const link = document.querySelector(`nav a[href="#${view}"]`);
    if (view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (focus) {
    say(null);
    byId("main").focus({ preventScroll: true });
  }
  onShow(name);
}

async function keepOffline() {
  if (!navigator.serviceWorker) return;
  await navigator.serviceWorker.register(new URL("../sw.js", import.meta.url));
  await navigator.serviceWorker.ready;
  byId("offline").textContent = "It works without a network from now on.";
}

async function start() {
  const [module, settings] = await Promise.all([
    compile(fetched("ser.wasm").then((answer) => answer.arrayBuffer())),
    fetched("settings.json").then((answer) => answer.json()),
  ]);
  const [meter, fileCore] = [await Core.start(module), await Core.start(module)];
  meter.rules = fileCore.rules = settings.rules;
  const page = { module, settings, meter, fileCore, threshold: settings.rules.threshold };
  page.voice = voices(page);
  globalThis.serTinyml = page; // for the tests, and for the curious
  options(page);
  about(page);
  const stop = liveView(page);
  const { redraw } = fileView(page);
  boardView(page);
  recordView(page);
  byId("loading").hidden = true;
  const onShow = (name) => {
    if (name !== "live") stop();
    if (name === "file") redraw();
    if (name === "live") page.live.panel.settle();
  };
  window.addEventListener("hashchange", () => route(onShow, true));
  window.addEventListener("resize", () => route(onShow, false));
  route(onShow, false);
  document.body.dataset.ready = String(Math.round(performance.now()));
}

try {
  await start();
  keepOffline().catch((error) => console.info(`not kept for offline use: ${error.message}`));
} catch (problem) {
  byId("loading").hidden = true;
  say(problem);
}
