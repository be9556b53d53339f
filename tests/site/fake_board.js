// A serial port with a board behind it, for the page: the module itself, in a quiet room with a
// voice now and then. What a browser must do with bytes is real; a real board is not.

const ROOM_MS = 32;

class FakePort {
  closed = true;
  #timer;
  #close;

  async open() {
    const { Core, compile } = await import(new URL("js/core.js", document.baseURI));
    const wasm = await (await fetch("ser.wasm")).arrayBuffer();
    const core = await Core.start(await compile(wasm));
    const voice = await globalThis.serTinyml.voice("happy");
    let controller;
    this.readable = new ReadableStream({
      start: (given) => (controller = given),
      cancel: () => clearInterval(this.#timer),
    });
    core.feed = (bytes) => controller.enqueue(bytes);
    this.writable = new WritableStream({ write: (bytes) => core.write(bytes) });
    let at = -16000;
    this.#timer = setInterval(() => {
      const piece = Int16Array.from({ length: 512 }, (_, i) => voice[at + i] ?? Math.random() * 5 - 2);
      at = at > voice.length + 32000 ? -16000 : at + 512;
      core.hear(piece);
    }, ROOM_MS);
    this.#close = () => controller.error(new Error("gone"));
    this.closed = false;
  }

  unplug() {
    clearInterval(this.#timer);
    this.#close();
  }

  async close() {
    clearInterval(this.#timer);
    this.closed = true;
  }
}

globalThis.serialPort = new FakePort();
Object.defineProperty(Navigator.prototype, "serial", {
  configurable: true,
  value: {
    requestPort: async ({ filters }) => {
      if (filters[0].usbVendorId !== 0x2341) throw new Error("expected Arduino's vendor");
      return globalThis.serialPort;
    },
  },
});
