// The firmware as a WebAssembly module: firmware/browser/browser.cpp has what it exports.

import { Link, Problem } from "./link.js";
import { Decoder } from "./protocol.js";

const LED = { SPEECH: 8, SETTLING: 16 };
const MOST_POLLS = 4096; // until a test has said all: a poll is a frame of silence

/** Compiles the module once; instances of it are devices. */
export async function compile(source) {
  if (typeof WebAssembly !== "object") {
    throw new Problem(
      "This browser has no WebAssembly, which the firmware needs. A current Firefox, Chrome, Edge " +
        "or Safari has it, unless it is in lockdown mode.",
    );
  }
  return WebAssembly.compile(await source);
}

const now = () => Math.round(performance.now() * 1000) | 0;

/** A device in this browser. Nothing of it waits: what it says is heard before `hear` returns. */
export class Core extends Link {
  #exports;

  /** Of what `compile` gave. */
  static async start(module) {
    const { exports } = await WebAssembly.instantiate(module, { host: { microseconds: now } });
    exports._initialize();
    const core = new Core(exports);
    if (exports.ser_begin() !== 0) {
      throw new Problem("The model on this page cannot run. Reload the page; if that does not help, "
        + "its files are of two versions.");
    }
    core.#take();
    await core.command("status");
    return core;
  }

  constructor(exports) {
    super();
    this.#exports = exports;
    this.windowLength = exports.ser_window_length();
    this.hopLength = exports.ser_hop_length();
    this.melCount = exports.ser_mel_count();
  }

  #memory(Kind, at, count) {
    return new Kind(this.#exports.memory.buffer, at, count);
  }

  #take() {
    for (let count; (count = this.#exports.ser_take()) > 0; ) {
      this.feed(this.#memory(Uint8Array, this.#exports.ser_bytes(), count).slice());
    }
  }

  /** Puts samples, int16, into its microphone. */
  hear(samples) {
    const chunk = this.#exports.ser_chunk();
    for (let start = 0; start < samples.length; start += chunk) {
      const piece = samples.subarray(start, start + chunk);
      this.#memory(Int16Array, this.#exports.ser_sound(), piece.length).set(piece);
      this.#exports.ser_hear(piece.length);
      this.#take();
    }
  }

  async write(bytes) {
    for (let start = 0; start < bytes.length; ) {
      const wanted = this.#exports.ser_wants();
      if (wanted > 0) {
        const piece = bytes.subarray(start, start + wanted);
        this.#memory(Uint8Array, this.#exports.ser_bytes(), piece.length).set(piece);
        this.#exports.ser_receive(piece.length);
        start += piece.length;
      }
      this.#take();
    }
    for (let i = 0; i < MOST_POLLS && this.#exports.ser_wants() === 0; i++) {
      this.#exports.ser_poll(); // the end of a test: it fills the window up with silence
      this.#take();
    }
  }

  /** Colour (bits of red, green, blue), whether somebody speaks, and the count of a fault. */
  led() {
    const bits = this.#exports.ser_led();
    return {
      colour: bits & 7,
      speech: (bits & LED.SPEECH) !== 0,
      settling: (bits & LED.SETTLING) !== 0,
      blinks: bits >> 5,
    };
  }

  /** Mel bands in dB of every whole frame [frames * melCount] of samples, int16. */
  logMel(samples) {
    const { windowLength, hopLength, melCount } = this;
    const frames = Math.max(0, 1 + Math.floor((samples.length - windowLength) / hopLength));
    const bands = new Float32Array(frames * melCount);
    for (let frame = 0; frame < frames; frame++) {
      const window = samples.subarray(frame * hopLength, frame * hopLength + windowLength);
      this.#memory(Int16Array, this.#exports.ser_sound(), windowLength).set(window);
      const at = this.#exports.ser_log_mel();
      bands.set(this.#memory(Float32Array, at, melCount), frame * melCount);
    }
    return bands;
  }

  /** Where the features of a clip begin, and whether anything has risen since, from its levels. */
  beginning(levels, length) {
    this.#exports.ser_beginning_restart();
    let start = 0;
    for (let frame = 0; frame < levels.length && frame - start < length; frame++) {
      start = this.#exports.ser_beginning_push(levels[frame]);
    }
    return { start, risen: this.#exports.ser_beginning_risen() !== 0 };
  }

  /** What the listener finds in a recording, int16; it decides as the device does. */
  *listenTo(samples) {
    if (this.#exports.ser_listen_begin() !== 0) throw new Problem("The model cannot run.");
    const decoder = new Decoder();
    const chunk = this.#exports.ser_chunk();
    for (let start = 0; start < samples.length; start += chunk) {
      const piece = samples.subarray(start, start + chunk);
      this.#memory(Int16Array, this.#exports.ser_sound(), piece.length).set(piece);
      const count = this.#exports.ser_listen(piece.length);
      const bytes = this.#memory(Uint8Array, this.#exports.ser_bytes(), count).slice();
      yield decoder.push(bytes);
    }
  }
}
