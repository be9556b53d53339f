// The microphone at the model's rate, with nothing done to its sound that a board would not do.

import { Problem } from "./link.js";
import { Resampler, toInt16 } from "./sound.js";

const WHY = {
  NotAllowedError:
    "The browser was not allowed to use the microphone. Allow it in the address bar or in the " +
    "system's settings, and press Listen again.",
  NotFoundError: "There is no microphone. Plug one in, or let a built-in voice speak instead.",
  NotReadableError: "Another program holds the microphone. Close it, and press Listen again.",
};

/** Sound as it comes: `start` calls back with int16 samples until `stop`. */
export class Microphone {
  #context;
  #stream;

  static get possible() {
    return Boolean(globalThis.navigator?.mediaDevices?.getUserMedia && globalThis.AudioWorkletNode);
  }

  async start(rate, onSamples) {
    if (!Microphone.possible) {
      throw new Problem(
        "This browser gives no microphone to this page. It must come from localhost or by https, " +
          "and the browser must know audio worklets.",
      );
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      throw new Problem(WHY[error.name] ?? `The microphone does not start: ${error.message}`);
    }
    try {
      await this.#connect(rate, onSamples);
    } catch (error) {
      await this.stop();
      throw new Problem(`The microphone's sound does not come: ${error.message}`);
    }
  }

  async #connect(rate, onSamples) {
    let source;
    try {
      this.#context = new AudioContext({ sampleRate: rate });
      source = this.#context.createMediaStreamSource(this.#stream);
    } catch {
      // A browser that does not resample a microphone (https://bugzilla.mozilla.org/1674892).
      await this.#context?.close();
      this.#context = new AudioContext();
      source = this.#context.createMediaStreamSource(this.#stream);
    }
    await this.#context.audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url));
    await this.#context.resume();
    const capture = new AudioWorkletNode(this.#context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    const resampler = new Resampler(this.#context.sampleRate, rate);
    capture.port.onmessage = ({ data }) => onSamples(toInt16(resampler.push(data)));
    source.connect(capture);
  }

  async stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#context && this.#context.state !== "closed") await this.#context.close();
    this.#stream = this.#context = undefined;
  }
}
