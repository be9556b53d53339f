// What a board or the module says, as it says it: LED, words, probabilities, picture, decisions.

import { largest } from "./answering.js";
import { byId, element, percent, seconds, swatch } from "./dom.js";
import { draw, speechSpans } from "./draw.js";
import { Hearing } from "./hearing.js";

const ROWS_KEPT = 20;
const FRESH_S = 4; // so long an answer stays when nothing follows

/** The bars of probabilities. */
export class Bars {
  constructor(list, labels, colours) {
    this.rows = labels.map((label) => {
      const bar = element("i");
      bar.style.background = colours[label];
      bar.style.transform = "scaleX(0)";
      const value = element("output", { textContent: "–" });
      const row = element("div", { className: "bar" }, bar);
      list.append(element("li", {}, element("span", { textContent: label }), row, value));
      return { bar, value };
    });
  }

  show(probabilities) {
    this.rows.forEach(({ bar, value }, i) => {
      bar.style.transform = `scaleX(${probabilities?.[i] ?? 0})`;
      value.textContent = probabilities ? percent(probabilities[i]) : "–";
    });
  }
}

/** A place on the page that follows one link. */
export class Panel {
  #place;
  #link;
  #hearing;
  #bars;
  #said = 0; // decisions that are in the table
  #running = false;
  #fault = "";

  constructor(place, settings) {
    this.#place = place;
    this.settings = settings;
    place.replaceChildren(byId("hearing-template").content.cloneNode(true));
    this.led = place.querySelector(".led");
    this.table = place.querySelector(".log");
  }

  /** Follows a link; `meter` is a core that computes mel bands. */
  follow(link, meter) {
    this.#off?.();
    this.#link = link;
    this.labels = link.status.labels;
    const list = this.#place.querySelector(".bars");
    list.replaceChildren();
    this.#bars = new Bars(list, this.labels, this.settings.colours);
    this.#hearing = new Hearing(link, meter);
    this.#said = 0;
    this.#off = link.listen((message) => this.#take(message));
  }

  #off;

  start() {
    this.#running = true;
    this.#fault = "";
    const frame = () => {
      this.#show();
      if (this.#running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  stop() {
    this.#running = false;
  }

  get hearing() {
    return this.#hearing;
  }

  #take(message) {
    this.#hearing.take(message);
    if (message.event === "fault") this.#fault = message.detail;
    if (message.event === "recovered") this.#fault = "";
  }

  #show() {
    const led = this.#link.led();
    this.#showLed(led);
    const hearing = this.#hearing;
    const last = hearing.decisions.at(-1);
    const steps = hearing.steps.at(-1);
    const fresh = last && (!this.#running || hearing.endS - last.timeS < FRESH_S);
    this.#words(led, fresh ? last : null);
    const recent = steps && hearing.endS - steps[0] < FRESH_S;
    this.#bars.show(recent ? steps[1] : null);
    this.#picture();
    this.#log();
  }

  #showLed({ colour, speech, blinks }) {
    const names = Object.entries(this.settings.led_bits);
    const [name] = names.find(([, bits]) => bits === colour) ?? ["dark"];
    const shown = blinks ? "red" : name;
    this.led.style.background = shown === "dark" ? "" : this.settings.led[shown];
    this.led.classList.toggle("speech", speech);
    const said = blinks ? `blinks ${blinks} times` : shown;
    this.led.setAttribute("aria-label", `LED: ${said}${speech ? ", somebody speaks" : ""}`);
  }

  #words(led, decision) {
    const said = this.#place.querySelector(".said");
    const more = this.#place.querySelector(".more");
    const [first, second] = this.#sentence(led, decision);
    if (said.textContent !== first) said.textContent = first;
    if (more.textContent !== second) more.textContent = second;
  }

  /** What is said of it now, in a few words and a sentence. */
  #sentence(led, decision) {
    if (this.#fault) return ["A fault", this.#fault];
    const sure = decision && decision.label !== "unsure";
    if (this.#running && led.speech && !sure) {
      return ["Somebody speaks …", "It answers after a second, as soon as it is sure."];
    }
    if (!decision) {
      if (!this.#running) return ["Not listening", ""];
      return ["Nobody speaks", "It waits for a voice."];
    }
    const best = percent(Math.max(...decision.probabilities));
    if (sure) return [decision.label, `${best} probable${decision.final ? "" : ", so far"}.`];
    if (decision.voice_frames < this.settings.rules.min_voice_frames) {
      return ["Unsure", "Too little of it sounds like a voice: nearer, or in a quieter room?"];
    }
    return ["Unsure", `Leaning to ${this.labels[largest(decision.probabilities)]}, ${best}.`];
  }

  #picture() {
    const hearing = this.#hearing;
    const canvas = this.#place.querySelector("canvas");
    draw(canvas, {
      fromS: Math.max(0, hearing.endS - hearing.kept / hearing.rate),
      toS: Math.max(hearing.endS, hearing.kept / hearing.rate),
      samples: hearing.samples,
      sampleFromS: (hearing.count - hearing.samples.length) / hearing.rate,
      rate: hearing.rate,
      bands: hearing.bands,
      hopS: this.#link.hopS,
      steps: hearing.steps,
      labels: this.labels,
      colours: this.settings.colours,
      threshold: this.threshold ?? this.#link.status.threshold,
      spans: speechSpans(hearing.levels, this.#link.hopS),
    });
  }

  #log() {
    const { decisions } = this.#hearing;
    for (; this.#said < decisions.length; this.#said++) {
      const one = decisions[this.#said];
      if (!one.final) continue;
      const best = Math.max(...one.probabilities);
      const leaning = this.labels[one.probabilities.indexOf(best)];
      const sure = one.label !== "unsure";
      const row = element(
        "tr",
        {},
        element("td", { textContent: seconds(one.timeS) }),
        element(
          "td",
          {},
          swatch(sure ? this.settings.colours[one.label] : "transparent"),
          sure ? one.label : `unsure, leaning to ${leaning}`,
        ),
        element("td", { textContent: percent(best) }),
      );
      this.table.tBodies[0].prepend(row);
      this.table.hidden = false;
      if (this.table.tBodies[0].rows.length > ROWS_KEPT) this.table.tBodies[0].deleteRow(-1);
    }
  }

  /** Draws what it has once more, after the last message. */
  settle() {
    this.#show();
  }
}
