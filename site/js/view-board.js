// A board on a serial port: what it hears, and whether it computes what this browser does.

import { byId, element, onClick, say } from "./dom.js";
import { Problem } from "./link.js";
import { Panel } from "./panel.js";
import { SerialBoard } from "./serial.js";

const differ = (one, other, what) =>
  one.reduce((sum, step, i) => {
    const its = step[what];
    const others = other[i]?.[what] ?? [];
    return sum + its.reduce((count, value, k) => count + (value !== others[k]), 0);
  }, 0);

/** Two boards on one sound: where each begins, and how many int8 numbers differ. */
export async function compare(one, other, samples) {
  const [a, b] = [await one.test(samples), await other.test(samples)];
  const numbers = a.steps.reduce((sum, step) => sum + step.inputs.length + step.outputs.length, 0);
  return {
    onsets: [a.onset, b.onset],
    inputs: differ(a.steps, b.steps, "inputs"),
    outputs: differ(a.steps, b.steps, "outputs"),
    same: a.onset === b.onset && a.steps.length === b.steps.length,
    numbers,
  };
}

export function boardView(page) {
  const place = document.querySelector('[data-hearing="board"]');
  const panel = new Panel(place, page.settings);
  let board = null;

  const connected = (is) => {
    byId("board-connected").hidden = byId("disconnect").hidden = !is;
    byId("connect").hidden = is;
  };

  const state = (text) => (byId("board-state").textContent = text);

  async function disconnect() {
    panel.stop();
    const old = board;
    board = null;
    connected(false);
    state("No board is connected.");
    await old?.command("stream stop", 500).catch(() => {});
    await old?.close();
  }

  onClick(byId("connect"), async () => {
    const { led_bits: bits, board: usb } = page.settings;
    board = await SerialBoard.connect(bits, [usb]);
    board.onlost = () => disconnect().then(() => say(new Problem("The board was unplugged.")));
    const { board: name, model, engine, labels, up_ms: up } = board.status;
    const same = model === page.meter.status.model;
    state(
      `${name}, engine ${engine}, model ${model}: ${labels.join(", ")}. Running for ` +
        `${Math.round(up / 1000)} s. ${same ? "" : "Its model is not the one of this page."}`,
    );
    panel.follow(board, page.meter);
    panel.threshold = board.status.threshold;
    connected(true);
    panel.start();
    await board.command("stream start");
  });

  onClick(byId("disconnect"), disconnect);

  async function pair(name) {
    const samples = await page.voice(name);
    const found = await compare(board, page.fileCore, samples);
    const total = found.inputs + found.outputs;
    const cells = [
      name,
      found.same ? String(found.onsets[0]) : `${found.onsets[0]} and ${found.onsets[1]}`,
      found.inputs,
      found.outputs,
      total === 0 && found.same ? `all ${found.numbers} numbers are the same` : "they differ",
    ];
    const row = element("tr", {}, ...cells.map((text) => element("td", { textContent: text })));
    byId("pairs").hidden = false;
    byId("pairs").tBodies[0].append(row);
  }

  // A test ends the stream of sound, which goes on after it.
  const paired = async (names) => {
    byId("pairs").tBodies[0].replaceChildren();
    await board.command("stream stop");
    for (const name of names) await pair(name);
    await board.command("stream start");
  };
  onClick(byId("pair"), () => paired([byId("pair-voice").value]));
  onClick(byId("pair-all"), () => paired(page.settings.voices.map((voice) => voice.name)));

  if (!SerialBoard.possible) {
    byId("connect").disabled = true;
    state("This browser has no Web Serial, which a board needs. Chrome and Edge on a computer have it.");
  }
}
