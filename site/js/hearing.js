// What a board or the module was heard to say, in the order of time, for whoever draws it.

import { GATE } from "./protocol.js";

const KEPT_S = 12; // of what is heard live

/** Takes messages; gives samples, mel bands, levels, probabilities and decisions with their seconds. */
export class Hearing {
  decisions = []; // lines
  speech = false;

  /** `meter` is a core that computes the mel bands of what `link` streams. */
  constructor(link, meter, keptS = KEPT_S) {
    this.link = link;
    this.meter = meter;
    this.rate = link.status.sample_rate;
    this.kept = keptS * this.rate;
    this.samples = new Int16Array(0); // the last ones
    this.count = 0; // all that came
    this.bands = []; // [second, Float32Array]
    this.levels = []; // [second, dB, speech]
    this.steps = []; // [second, probabilities, whether a window begins]
    this.lost = 0;
  }

  get endS() {
    return this.count / this.rate;
  }

  get beginS() {
    return Math.max(0, (this.count - this.kept) / this.rate);
  }

  take(message) {
    if (message.kind === "audio") this.#audio(message);
    else if (message.kind === "level") {
      this.speech = message.gate === GATE.ONSET || message.gate === GATE.SPEECH;
      this.levels.push([this.endS, message.level, this.speech]);
    } else if (message.kind === "step") {
      this.steps.push([this.endS, this.link.probabilities(message.outputs), message.step === 0]);
    } else if (message.event === "decision") {
      this.decisions.push({ ...message, timeS: this.endS });
    }
  }

  #audio({ samples, lost }) {
    const { windowLength, hopLength } = this.meter;
    const all = new Int16Array(this.samples.length + samples.length);
    all.set(this.samples);
    all.set(samples, this.samples.length);
    this.samples = all.subarray(Math.max(0, all.length - this.kept));
    const before = Math.floor((this.count - windowLength) / hopLength); // the last whole frame
    this.count += samples.length;
    this.lost = lost;
    const after = Math.floor((this.count - windowLength) / hopLength);
    for (let frame = Math.max(0, before + 1); frame <= after; frame++) {
      const at = frame * hopLength - (this.count - this.samples.length);
      if (at < 0) continue;
      const bands = this.meter.logMel(this.samples.subarray(at, at + windowLength));
      this.bands.push([(frame * hopLength) / this.rate, bands]);
    }
    for (const list of [this.bands, this.levels, this.steps]) {
      while (list.length && list[0][0] < this.beginS - 1) list.shift();
    }
  }
}
