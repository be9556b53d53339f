// Hands the microphone's sound to the page, some hundredths of a second at a time.

const PIECE = 512;

class Capture extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE);
  #filled = 0;

  process([input]) {
    const [channel] = input;
    if (!channel) return true;
    for (const value of channel) {
      this.#piece[this.#filled++] = value;
      if (this.#filled === PIECE) {
        this.port.postMessage(this.#piece, [this.#piece.buffer]);
        this.#piece = new Float32Array(PIECE);
        this.#filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
