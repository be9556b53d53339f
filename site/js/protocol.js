// What goes over the line between a board and its host: lines of JSON and binary frames.
// firmware/arduino_nano33/README.md describes both; ser_tinyml/device/protocol.py is the same in Python.

export const TEST_BEGIN = 0x01;
export const TEST_AUDIO = 0x02;
export const TEST_END = 0x03;
const AUDIO = 0x81;
const LEVEL = 0x82;
const STEP = 0x83;
const TEST_DONE = 0x84;

const MAGIC = [0xa5, 0x5a];
const HEADER = 7; // magic, type, sequence number, length of the payload
const CRC = 4;
const CHUNK = 512; // samples in a frame
const MOST_PAYLOAD = 8 + 2 * CHUNK;
const MOST_LINE = 4 * MOST_PAYLOAD;

export const VERSION = 1;
export const GATE = { QUIET: 0, ONSET: 1, SPEECH: 2, END: 3 };

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of zlib. */
export function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

/** A binary frame as bytes. */
export function encode(type, sequence, payload = new Uint8Array(0)) {
  const frame = new Uint8Array(HEADER + payload.length + CRC);
  const view = new DataView(frame.buffer);
  frame.set(MAGIC);
  view.setUint8(2, type);
  view.setUint16(3, sequence & 0xffff, true);
  view.setUint16(5, payload.length, true);
  frame.set(payload, HEADER);
  const end = HEADER + payload.length;
  view.setUint32(end, crc32(frame.subarray(2, end)), true);
  return frame;
}

/** The frames that put a recording in place of the microphone: type and payload of each. */
export function* clipFrames(samples, whole) {
  yield [TEST_BEGIN, Uint8Array.of(whole ? 1 : 0)];
  for (let start = 0; start < samples.length; start += CHUNK) {
    const piece = samples.subarray(start, start + CHUNK);
    const payload = new Uint8Array(2 * piece.length);
    const view = new DataView(payload.buffer);
    piece.forEach((value, i) => view.setInt16(2 * i, value, true));
    yield [TEST_AUDIO, payload];
  }
  yield [TEST_END, new Uint8Array(0)];
}

function message(type, payload) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const u32 = (at) => view.getUint32(at, true);
  const size = payload.length;
  if (type === AUDIO && size >= 8 && size % 2 === 0) {
    const samples = Int16Array.from({ length: (size - 8) / 2 }, (_, i) =>
      view.getInt16(8 + 2 * i, true),
    );
    return { kind: "audio", first: u32(0), lost: u32(4), samples };
  }
  if (type === LEVEL && size === 13) {
    const [level, floor] = [view.getFloat32(4, true), view.getFloat32(8, true)];
    return { kind: "level", frame: u32(0), level, floor, gate: view.getUint8(12) };
  }
  if (type === STEP && size >= 16) {
    const [inputs, classes] = [view.getUint8(14), view.getUint8(15)];
    if (size !== 16 + 5 * inputs + classes) return null;
    const bytes = (at, count) => Int8Array.from(payload.subarray(at, at + count));
    return {
      kind: "step",
      frame: u32(0),
      featuresUs: u32(4),
      engineUs: u32(8),
      step: view.getUint16(12, true),
      features: Float32Array.from({ length: inputs }, (_, i) => view.getFloat32(16 + 4 * i, true)),
      inputs: bytes(16 + 4 * inputs, inputs),
      outputs: bytes(16 + 5 * inputs, classes),
    };
  }
  if (type === TEST_DONE && size === 17) {
    const onset = view.getInt32(12, true);
    const status = view.getUint8(16);
    return { kind: "done", samples: u32(0), frames: u32(4), steps: u32(8), onset, status };
  }
  return null;
}

/** Bytes of a board to messages. What is neither line nor frame is counted and passed over. */
export class Decoder {
  garbage = 0; // bytes that belonged to nothing
  lost = 0; // frames that, by their numbers, did not come
  #bytes = new Uint8Array(0);
  #next = null;

  /** The messages that are complete with these bytes. */
  push(bytes) {
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    const found = [];
    let at = 0;
    while (at < all.length) {
      const used = all[at] === MAGIC[0] ? this.#frame(all, at, found) : this.#line(all, at, found);
      if (used === 0) break;
      at += used;
    }
    this.#bytes = all.slice(at);
    return found;
  }

  #drop(count) {
    this.garbage += count;
    return count;
  }

  /** How many bytes it took; 0: more must come. */
  #frame(all, at, found) {
    const left = all.length - at;
    if (left > 1 && all[at + 1] !== MAGIC[1]) return this.#drop(1);
    if (left < HEADER) return 0;
    const view = new DataView(all.buffer, all.byteOffset + at, left);
    const length = view.getUint16(5, true);
    if (length > MOST_PAYLOAD) return this.#drop(1);
    const end = HEADER + length;
    if (left < end + CRC) return 0;
    const body = all.subarray(at + 2, at + end);
    if (view.getUint32(end, true) !== crc32(body)) return this.#drop(1);
    const sequence = view.getUint16(3, true);
    if (this.#next !== null) this.lost += (sequence - this.#next) & 0xffff;
    this.#next = (sequence + 1) & 0xffff;
    const said = message(view.getUint8(2), all.slice(at + HEADER, at + end));
    if (said) found.push(said);
    else this.garbage += end + CRC;
    return end + CRC;
  }

  #line(all, at, found) {
    const magic = all.indexOf(MAGIC[0], at);
    const end = all.indexOf(0x0a, at);
    if (magic >= 0 && (end < 0 || magic < end)) return this.#drop(magic - at); // cut off by a frame
    if (end < 0) return all.length - at > MOST_LINE ? this.#drop(all.length - at) : 0;
    const text = new TextDecoder().decode(all.subarray(at, end)).trim();
    const said = text ? parsed(text) : null;
    if (said) found.push({ kind: "line", ...said });
    else this.garbage += text.length;
    return end + 1 - at;
  }
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
