// A board, real or in the browser, that is spoken to in lines and frames.

import { Decoder, VERSION, clipFrames, encode } from "./protocol.js";

const PATIENCE_MS = 5000;

/** What went wrong, in a sentence for whoever looks at the page. */
export class Problem extends Error {}

/** What a board and the module have in common. Who inherits has write(bytes). */
export class Link {
  status = null; // what it last said of itself
  decoder = new Decoder();
  #listeners = new Set();
  #sequence = 0;

  /** Calls back with every message; what is given back ends that. */
  listen(callback) {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Hands on what came. */
  feed(bytes) {
    for (const message of this.decoder.push(bytes)) {
      for (const callback of [...this.#listeners]) callback(message);
    }
  }

  /** Waits for the first message that `wanted` gives something else than undefined for. */
  async #await(wanted, send, patience) {
    let end;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        end = this.listen((message) => {
          const found = wanted(message);
          if (found === undefined) return;
          if (found instanceof Error) reject(found);
          else resolve(found);
        });
        const late = new Problem("The board does not answer. Unplug it, plug it in, connect again.");
        timer = setTimeout(() => reject(late), patience);
        Promise.resolve(send()).catch(reject);
      });
    } finally {
      clearTimeout(timer);
      end();
    }
  }

  /** Sends a command and gives the answer to it. */
  async command(text, patience = PATIENCE_MS) {
    const event = text === "status" || text === "help" ? text : "ok";
    const answer = await this.#await(
      (message) => {
        if (message.kind !== "line") return undefined;
        if (message.event === "error") return new Problem(`The board says: ${message.reason}`);
        return message.event === event ? message : undefined;
      },
      () => this.write(new TextEncoder().encode(`${text}\n`)),
      patience,
    );
    if (event === "status") {
      this.status = answer;
      if (answer.protocol !== VERSION) {
        throw new Problem(
          `Expected a board of protocol ${VERSION}, found protocol ${answer.protocol}: ` +
            "flash the sketch of this page's version.",
        );
      }
    }
    return answer;
  }

  /** int8 outputs as probabilities. */
  probabilities(outputs) {
    const { output_zero_point: zero, output_scale_nano: nano } = this.status;
    const scale = Math.fround(nano * 1e-9);
    return Array.from(outputs, (value) => (value - zero) * scale);
  }

  /** Seconds of sound in a frame's distance from the next. */
  get hopS() {
    return this.status.hop_length / this.status.sample_rate;
  }

  /**
   * Puts a recording in place of the microphone, as models are scored: onset, levels, and every step
   * of the network. `whole`: from the first sample, wherever speech begins.
   */
  async test(samples, { whole = false } = {}) {
    const levels = [];
    const steps = [];
    const lost = this.decoder.lost;
    let sending = true;
    const done = await this.#await(
      (message) => {
        if (message.kind === "level") levels.push(message);
        else if (message.kind === "step") {
          if (message.step === 0) steps.length = 0; // the beginning moved on
          steps.push(message);
        } else if (message.kind === "done") return message;
        else if (message.kind === "line" && /^(fault|error)$/.test(message.event)) {
          return new Problem(`The board says: ${message.detail ?? message.reason}`);
        }
        return undefined;
      },
      async () => {
        for (const [type, payload] of clipFrames(samples, whole)) {
          if (!sending) return;
          await this.write(encode(type, this.#sequence++, payload));
        }
      },
      PATIENCE_MS + (1000 * samples.length) / this.status.sample_rate,
    ).finally(() => (sending = false));
    if (this.decoder.lost !== lost || done.samples !== samples.length || done.status !== 0) {
      throw new Problem("Something was lost on the way to the board or back. Try again.");
    }
    return { onset: done.onset, levels, steps };
  }
}
