// Speak: the microphone, or a built-in voice, through the firmware in this browser.

import { byId, onClick, percent, say } from "./dom.js";
import { Core } from "./core.js";
import { Problem } from "./link.js";
import { Microphone } from "./microphone.js";
import { Panel } from "./panel.js";
import { play } from "./sound.js";

const SETTLE_S = 0.3; // of quiet before a voice, and enough after it that its end is heard
const AFTER_S = 1.2;
const QUIET = 2; // ± units of noise: a room is never silent, and the gate needs a floor

/** A core that streams into a panel. */
async function listening(page, panel) {
  const core = await Core.start(page.module);
  core.rules = page.settings.rules;
  if (page.threshold !== page.settings.rules.threshold) {
    await core.command(`threshold ${page.threshold.toFixed(2)}`);
  }
  panel.follow(core, page.meter);
  await core.command("stream start");
  panel.threshold = page.threshold;
  panel.start();
  return core;
}

const quiet = (count) =>
  Int16Array.from({ length: count }, () => Math.round((2 * Math.random() - 1) * QUIET));

/** A voice in a quiet room. */
function inRoom(samples, rate) {
  const before = quiet(Math.round(SETTLE_S * rate));
  const after = quiet(Math.round(AFTER_S * rate));
  const whole = new Int16Array(before.length + samples.length + after.length);
  whole.set(before);
  whole.set(samples, before.length);
  whole.set(after, before.length + samples.length);
  return whole;
}

export function liveView(page) {
  const panel = new Panel(document.querySelector('[data-hearing="live"]'), page.settings);
  const button = byId("listen");
  const microphone = new Microphone();
  let core = null;
  let speaking = null;
  page.live = { panel };
  panel.follow(page.meter, page.meter);
  panel.settle();

  function words() {
    button.textContent = core && !speaking ? "Stop listening" : "Listen to my microphone";
    byId("speak").textContent = speaking ? "Stop" : "Let it speak";
    button.setAttribute("aria-pressed", String(Boolean(core && !speaking)));
  }

  async function stop() {
    await microphone.stop();
    speaking?.stop();
    speaking = core = null;
    panel.stop();
    words();
  }

  onClick(button, async () => {
    const was = core && !speaking;
    await stop();
    if (was) return panel.settle();
    const next = await listening(page, panel);
    try {
      await microphone.start(next.status.sample_rate, (samples) => next.hear(samples));
      core = next;
    } catch (problem) {
      panel.stop();
      throw problem;
    } finally {
      words();
    }
  });

  onClick(byId("speak"), async () => {
    const was = speaking;
    await stop();
    if (was) return panel.settle();
    const voice = await page.voice(byId("voice").value);
    core = await listening(page, panel);
    const rate = core.status.sample_rate;
    const whole = inRoom(voice, rate);
    const hears = core;
    const sounds = play(whole, rate);
    const began = performance.now();
    let heard = 0;
    const timer = setInterval(() => {
      const due = Math.min(whole.length, Math.floor(((performance.now() - began) / 1000) * rate));
      hears.hear(whole.subarray(heard, due));
      heard = due;
      if (heard < whole.length) return;
      end();
    }, 32);
    const end = () => {
      clearInterval(timer);
      if (speaking !== mine) return;
      speaking = core = null;
      panel.stop();
      words();
    };
    const mine = { stop: () => (sounds.stop(), clearInterval(timer)) };
    speaking = mine;
    words();
    return undefined;
  });

  const slider = byId("threshold");
  const show = () => (byId("threshold-value").textContent = percent(page.threshold));
  slider.value = Math.round(100 * page.threshold);
  show();
  slider.addEventListener("input", async () => {
    page.threshold = slider.value / 100;
    panel.threshold = page.threshold;
    show();
    await core?.command(`threshold ${page.threshold.toFixed(2)}`).catch(say);
  });

  if (!Microphone.possible) {
    button.disabled = true;
    say(
      new Problem(
        "This browser gives no microphone to this page. Built-in voices and recordings work all " +
          "the same.",
      ),
    );
  }
  window.addEventListener("pagehide", () => stop());
  return stop;
}
