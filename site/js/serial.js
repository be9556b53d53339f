// A real board on a serial port, through Web Serial.

import { Link, Problem } from "./link.js";

const BAUD = 115200; // over USB it has no meaning
const HOLD_MS = 2000; // so long after the last word the board shows a colour

/** A board behind navigator.serial. */
export class SerialBoard extends Link {
  #port;
  #writer;
  #reader;
  #shown = { colour: 0, speech: false, settling: false, blinks: 0 };
  #off;
  onlost = null; // called when it is unplugged

  static get possible() {
    return Boolean(globalThis.navigator?.serial);
  }

  /** Lets the user choose a port, opens it and asks who is there. `bits` are the LED's colours. */
  static async connect(bits, filters) {
    if (!SerialBoard.possible) {
      throw new Problem(
        "This browser has no Web Serial, which a board needs. Chrome and Edge on a computer have it.",
      );
    }
    let port;
    try {
      port = await navigator.serial.requestPort({ filters });
      await port.open({ baudRate: BAUD });
    } catch (error) {
      if (error.name === "NotFoundError") throw new Problem("No port was chosen.");
      throw new Problem(
        `The port does not open: ${error.message} Is another program, such as the Arduino IDE's ` +
          "monitor, using it?",
      );
    }
    const board = new SerialBoard(port, bits);
    try {
      await board.#greet();
    } catch (error) {
      await board.close();
      throw error;
    }
    return board;
  }

  constructor(port, bits) {
    super();
    this.#port = port;
    this.#writer = port.writable.getWriter();
    this.#read();
    this.listen((message) => this.#follow(message, bits));
  }

  async #greet() {
    for (let i = 0; ; i++) {
      try {
        return await this.command("status", 700); // the last host may have left half a frame behind
      } catch (error) {
        if (i === 5) throw error;
      }
    }
  }

  async #read() {
    try {
      this.#reader = this.#port.readable.getReader();
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (done) break;
        this.feed(value);
      }
    } catch {
      // unplugged: said below
    }
    this.onlost?.();
  }

  #follow(message, bits) {
    if (message.kind !== "line") return;
    if (message.event === "speech") this.#shown.speech = message.state === "begin";
    if (message.event === "fault") this.#shown.blinks = message.blinks;
    if (message.event === "recovered") this.#shown.blinks = 0;
    if (message.event !== "decision" || message.label === "unsure") return;
    clearTimeout(this.#off);
    this.#shown.colour = bits[message.colour];
    if (message.final) this.#off = setTimeout(() => (this.#shown.colour = 0), HOLD_MS);
  }

  write(bytes) {
    return this.#writer.write(bytes);
  }

  led() {
    return this.#shown;
  }

  async close() {
    this.onlost = null;
    await this.#reader?.cancel().catch(() => {});
    this.#reader?.releaseLock();
    this.#writer.releaseLock();
    await this.#port.close().catch(() => {});
  }
}
