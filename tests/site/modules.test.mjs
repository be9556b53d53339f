// The page's modules that need no browser: node --test modules.test.mjs

import assert from "node:assert/strict";
import test from "node:test";
import { clearest, percentile } from "../../site/js/answering.js";
import { Decoder, TEST_AUDIO, clipFrames, crc32, encode } from "../../site/js/protocol.js";
import { Resampler, asInFile, toInt16, wav } from "../../site/js/sound.js";
import { labelProblem } from "../../site/js/view-record.js";
import { csvRow } from "../../site/js/zip.js";

const text = (letters) => new TextEncoder().encode(letters);

function level(frame, gate, sequence) {
  const payload = new Uint8Array(13);
  const view = new DataView(payload.buffer);
  view.setUint32(0, frame, true);
  view.setFloat32(4, -31.5, true);
  view.setFloat32(8, -50, true);
  view.setUint8(12, gate);
  return encode(0x82, sequence, payload);
}

test("the checksum is zlib's", () => assert.equal(crc32(text("123456789")), 0xcbf43926));

test("lines and frames are told apart, wherever the bytes are cut", () => {
  const all = [...text('{"event":"ok"}\n'), ...level(7, 1, 0), ...text('{"a":1}\n'), ...level(8, 2, 1)];
  for (const size of [1, 3, 7, all.length]) {
    const decoder = new Decoder();
    const found = [];
    for (let i = 0; i < all.length; i += size) {
      found.push(...decoder.push(Uint8Array.from(all.slice(i, i + size))));
    }
    assert.deepEqual(
      found.map((one) => one.kind),
      ["line", "level", "line", "level"],
    );
    assert.deepEqual([found[1].frame, found[1].level, found[1].gate], [7, -31.5, 1]);
    assert.deepEqual([decoder.lost, decoder.garbage], [0, 0]);
  }
});

test("what is broken is counted and passed over", () => {
  const decoder = new Decoder();
  const broken = level(1, 0, 3);
  broken[9] ^= 1;
  const found = decoder.push(
    Uint8Array.from([...text("nonsense\n"), ...broken, ...text('\n{"half":'), ...level(2, 0, 5)]),
  );
  assert.deepEqual(
    found.map((one) => one.frame),
    [2],
  );
  assert.ok(decoder.garbage > broken.length);
  const gap = new Decoder();
  gap.push(level(1, 0, 3));
  gap.push(level(2, 0, 6));
  assert.equal(gap.lost, 2);
});

test("a recording goes out in frames of 512 samples", () => {
  const frames = [...clipFrames(Int16Array.from({ length: 1000 }, (_, i) => i - 500), true)];
  const sizes = frames.map(([, payload]) => payload.length);
  assert.deepEqual(sizes, [1, 1024, 976, 0]);
  assert.equal(frames[1][0], TEST_AUDIO);
  assert.equal(new DataView(frames[1][1].buffer).getInt16(0, true), -500);
});

function tone(hz, rate, seconds) {
  return Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
}

/** Level in dB of a tone after it came from one rate to 16 kHz, in uneven pieces. */
function through(hz, rate) {
  const resampler = new Resampler(rate, 16000);
  const sound = tone(hz, rate, 1);
  const found = [];
  for (let at = 0, size = 100; at < sound.length; at += size, size = (size * 7) % 911) {
    found.push(...resampler.push(sound.subarray(at, at + size)));
  }
  assert.ok(Math.abs(found.length - 16000) < 100, `${found.length} samples`);
  const middle = found.slice(2000, 14000);
  return 10 * Math.log10((2 * middle.reduce((sum, v) => sum + v * v, 0)) / middle.length);
}

test("resampling keeps speech and lets nothing fold back", () => {
  for (const rate of [22050, 44100, 48000, 96000]) {
    for (const hz of [100, 1000, 4000, 6500]) assert.ok(Math.abs(through(hz, rate)) < 0.1, `${hz} of ${rate}`);
    assert.ok(through(8800, rate) < -60, `8800 of ${rate}: ${through(8800, rate)} dB`);
  }
  assert.ok(Math.abs(through(1000, 8000)) < 0.1);
  const same = tone(440, 16000, 0.1);
  assert.equal(new Resampler(16000, 16000).push(same), same);
});

test("16 bits: rounded as Python rounds, and cut", () => {
  const given = [0, 0.5 / 32768, 1.5 / 32768, -0.5 / 32768, -1.5 / 32768, 1, -1, 2, -2, 0.25];
  assert.deepEqual([...toInt16(given)], [0, 0, 2, 0, -2, 32767, -32768, 32767, -32768, 8192]);
});

test("16 bits of a file come back, however a browser scales them", () => {
  const whole = Int16Array.from({ length: 65536 }, (_, i) => i - 32768);
  const fair = Float32Array.from(whole, (value) => value / 32768);
  const skewed = Float32Array.from(whole, (value) => value / (value > 0 ? 32767 : 32768));
  assert.deepEqual(asInFile(fair), whole);
  assert.deepEqual(asInFile(skewed), whole);
});

test("a percentile lies between neighbours in proportion", () => {
  assert.equal(percentile([4, 1, 3, 2], 50), 2.5);
  assert.equal(percentile([10, 20], 95), 19.5);
  assert.equal(percentile([7], 5), 7);
});

test("the channel that stands out is heard", () => {
  const hum = Float32Array.from({ length: 16000 }, (_, i) => 0.5 * Math.sin(i / 5));
  const voice = hum.map((value, i) => (i % 8000 < 3000 ? value : value / 100));
  assert.equal(clearest([hum, voice], 16000), 1);
  assert.equal(clearest([voice, hum], 16000), 0);
  assert.equal(clearest([voice, voice.slice()], 16000), 0);
  assert.equal(clearest([new Float32Array(100), new Float32Array(100).fill(0.1)], 16000), 0);
});

test("a WAV file has its header and its samples", () => {
  const view = new DataView(wav(Int16Array.of(1, -2), 16000).buffer);
  assert.equal(view.byteLength, 48);
  assert.deepEqual([view.getUint32(24, true), view.getInt16(46, true)], [16000, -2]);
});

test("cells with commas and quotes are quoted", () => {
  assert.equal(csvRow(["a", 'b "c", d', 3]), 'a,"b ""c"", d",3\r\n');
});

test("labels that the pipeline would refuse are refused", () => {
  const rules = { most_bytes: 20, taken: ["unsure"] };
  assert.equal(labelProblem("wütend", rules), "");
  assert.match(labelProblem("ü".repeat(11), rules), /too long/);
  assert.match(labelProblem("Unsure", rules), /meaning of its own/);
});
