// Sound on its way: rates, 16 bits, files in and files out.

import { clearest } from "./answering.js";
import { Problem } from "./link.js";

const HALF_TAPS = 32; // of the filter, to either side, at the lower of the two rates
const BETA = 8; // of the Kaiser window: what folds back is 80 dB below
const TABLE = 16384; // points of half a filter, between which it is a line
const PASS = 0.92; // of the lower Nyquist frequency is kept

function bessel0(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Brings a stream of floats from one rate to another: a windowed sinc, as good as it is plain. */
export class Resampler {
  #ratio;
  #reach;
  #cutoff;
  #table; // half of the filter
  #kept; // samples that the filter still needs
  #at; // of the next output, in input samples from the first kept

  constructor(from, to) {
    this.#ratio = from / to;
    this.#cutoff = (PASS * Math.min(from, to)) / from;
    this.#reach = HALF_TAPS * Math.max(1, this.#ratio);
    this.#table = this.#makeTable();
    this.#kept = new Float32Array(Math.ceil(this.#reach));
    this.#at = this.#kept.length;
  }

  /** The filter, from its middle to its end. */
  #makeTable() {
    const peak = bessel0(BETA);
    return Float64Array.from({ length: TABLE + 2 }, (_, i) => {
      const place = Math.min(1, i / TABLE);
      const x = Math.PI * this.#cutoff * place * this.#reach;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      return this.#cutoff * sinc * (bessel0(BETA * Math.sqrt(1 - place * place)) / peak);
    });
  }

  #weight(distance) {
    const place = (Math.abs(distance) / this.#reach) * TABLE;
    const below = Math.floor(place);
    if (below >= TABLE) return 0;
    return this.#table[below] + (this.#table[below + 1] - this.#table[below]) * (place - below);
  }

  /** The samples that are complete with these; the last ones wait for what follows. */
  push(samples) {
    if (this.#ratio === 1) return samples;
    const all = new Float32Array(this.#kept.length + samples.length);
    all.set(this.#kept);
    all.set(samples, this.#kept.length);
    const found = [];
    while (this.#at + this.#reach < all.length) {
      const first = Math.max(0, Math.ceil(this.#at - this.#reach));
      const last = Math.floor(this.#at + this.#reach);
      let sum = 0;
      for (let i = first; i <= last; i++) sum += all[i] * this.#weight(i - this.#at);
      found.push(sum);
      this.#at += this.#ratio;
    }
    const drop = Math.max(0, Math.floor(this.#at - this.#reach));
    this.#kept = all.slice(drop);
    this.#at -= drop;
    return Float32Array.from(found);
  }
}

/** Floats, full scale 1, as 16-bit numbers: rounded, and cut where they are too large. */
export function toInt16(samples) {
  return Int16Array.from(samples, (value) => {
    const scaled = value * 32768;
    const whole = Math.floor(scaled);
    const rest = scaled - whole; // halves go to the even neighbour, as NumPy's do
    const rounded = rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? whole + 1 : whole;
    return Math.max(-32768, Math.min(32767, rounded));
  });
}

/**
 * A decoded file's floats as the 16-bit numbers that are in it. Chromium divides positive ones by
 * 32767 (media/base/audio_sample_types.h), others by 32768: if all are whole numbers so, they were.
 */
export function asInFile(samples) {
  const nearWhole = (value) => Math.abs(value - Math.round(value)) < 0.005;
  if (!samples.every((value) => value <= 0 || nearWhole(value * 32767))) return toInt16(samples);
  return toInt16(samples.map((value) => (value > 0 ? (value * 32767) / 32768 : value)));
}

/** Decodes a file of any kind the browser knows: int16 of its clearest channel, at a rate. */
export async function decode(bytes, rate, { longestS, name }) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Problem(
      `${name}: expected a recording, found something that this browser cannot decode. ` +
        "WAV, MP3, M4A, WebM and FLAC are known to most.",
    );
  }
  if (decoded.duration > longestS) {
    throw new Problem(
      `${name}: expected at most ${longestS / 60} minutes, found ` +
        `${(decoded.duration / 60).toFixed(1)}. Cut it, or ask ser-tinyml predict.`,
    );
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) =>
    decoded.getChannelData(i),
  );
  const samples = asInFile(channels[clearest(channels, rate)]);
  if (!samples.length) throw new Problem(`${name}: expected a recording, found no sound in it.`);
  return samples;
}

/** A WAV file, 16 bits, one channel. */
export function wav(samples, rate) {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const text = (at, letters) => bytes.set(new TextEncoder().encode(letters), at);
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, value, true));
  return bytes;
}

/** Plays samples through the loudspeaker; gives a function that stops it, and a promise of its end. */
export function play(samples, rate) {
  const context = new AudioContext();
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(Float32Array.from(samples, (value) => value / 32768), 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  const ended = new Promise((resolve) => {
    source.onended = () => {
      context.close();
      resolve();
    };
  });
  source.start();
  return { stop: () => source.stop(), ended };
}
