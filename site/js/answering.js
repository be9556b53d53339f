// What the model makes of a recording: the answer that `ser-tinyml predict` gives to it.
// ser_tinyml/apps/answering.py is the same in Python; `rules` are its numbers (settings.json).

/** The percentile of some numbers, between neighbours in proportion. */
export function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

const FRAME_S = 0.032;

/** Of a recording's channels, floats, the one whose loud moments stand out most; 0 if all agree. */
export function clearest(channels, rate) {
  const [first] = channels;
  if (channels.every((one) => one.every((value, i) => value === first[i]))) return 0;
  const length = Math.min(first.length, Math.max(1, Math.round(FRAME_S * rate)));
  const powers = channels.map((channel) => {
    const found = [];
    for (let start = 0; start + length <= channel.length; start += length) {
      const frame = channel.subarray(start, start + length);
      const mean = frame.reduce((sum, value) => sum + value, 0) / length;
      found.push(frame.reduce((sum, value) => sum + (value - mean) ** 2, 0) / length);
    }
    return found;
  });
  let clear = powers.map((power) => percentile(power, 95) - percentile(power, 10));
  if (clear.every((value) => value === 0)) {
    clear = powers.map((power) => power.reduce((sum, value) => sum + value, 0));
  }
  return clear.indexOf(Math.max(...clear));
}

/** Everything that the listener finds; `progress` is called with the share that is done. */
async function heard(core, samples, progress) {
  const { windowLength, hopLength } = core;
  const end = samples.length;
  const silence = core.rules.hangover_frames * hopLength + windowLength;
  const whole = new Int16Array(end + silence);
  whole.set(samples);
  const found = { levels: [], windows: [] };
  let steps = null; // of the window that is open
  let pieces = 0;
  for (const messages of core.listenTo(whole)) {
    for (const message of messages) {
      if (message.kind === "level") found.levels.push(message);
      else if (message.kind === "step") {
        if (message.step > 0) steps.push(message);
        else if (steps) steps.splice(0, Infinity, message); // it begins anew
        else found.windows.push((steps = [message]));
      } else if (message.event === "decision") {
        steps.decision = message;
        steps = null;
      }
    }
    if (++pieces % 64 === 0) {
      progress?.((pieces * 512) / whole.length);
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return found;
}

/** Windows with a decision: when, what, and how it came to it. */
function utterances(core, windows) {
  const { stack } = core.status;
  const endS = (frame) =>
    (frame * core.hopLength + core.windowLength) / core.status.sample_rate;
  return windows
    .filter((steps) => steps.decision)
    .map((steps) => {
      const first = steps[0].frame - stack + 1;
      const { label, probabilities, voice_frames: voiceFrames } = steps.decision;
      return {
        first,
        steps: steps.length,
        voiceFrames,
        startS: first * core.hopS,
        endS: endS(steps.at(-1).frame),
        guess: core.status.labels[largest(probabilities)],
        answered: label !== "unsure",
        probabilities,
        timeline: steps.map((step) => ({
          timeS: endS(step.frame),
          probabilities: core.probabilities(step.outputs),
        })),
      };
    });
}

export const largest = (values) => values.indexOf(Math.max(...values));

/** Frames [first, stop) and weight of what is answered; or why nothing is. */
function pieces(core, frames, levels, found, spoken) {
  const { rules, status } = core;
  const length = rules.n_frames;
  const fits = length + Math.floor(rules.extra_s / core.hopS);
  const begun = core.beginning(levels, length);
  const start = begun.risen || frames <= fits ? begun.start : 0;
  const loudest = Math.max(...levels);
  const inside = levels.filter((level) => level >= Math.fround(loudest - rules.range_db));
  const spread = percentile(inside, 95) - percentile(inside, 5);
  if (spread < rules.steady_db) return { reason: "steady sound" };
  if (frames - start <= fits) return { parts: [[start, frames, 1]] };
  if (!found.windows.length) {
    const parts = [];
    const least = rules.min_steps * status.stack;
    for (let from = 0; from < frames - least + 1; from += length) parts.push([from, frames, 1]);
    return { parts };
  }
  const voices = spoken.filter((one) => one.voiceFrames >= rules.min_voice_frames);
  if (!voices.length) return { reason: "no voice" };
  const parts = voices.map((one) => [one.first, one.first + one.steps * status.stack, one.steps]);
  const stop = parts.at(-1)[1];
  const first = start < stop && stop <= start + fits ? start : parts[0][0]; // as if nothing followed
  return { parts: stop - first <= fits ? [[first, frames, 1]] : parts };
}

async function windowAnswer(core, samples, first, stop) {
  const from = first * core.hopLength;
  const to = Math.min(samples.length, (stop - 1) * core.hopLength + core.windowLength);
  const { steps } = await core.test(samples.subarray(from, to), { whole: true });
  return steps.at(-1).outputs;
}

/**
 * Answers a recording.
 *
 * @param core a Core with `rules`.
 * @param samples Int16Array at the model's rate.
 * @returns duration, probabilities of the whole, guess (null: no speech), answered, reason,
 *   utterances, levels, and the int8 outputs it rests on.
 */
export async function answer(core, samples, progress) {
  const { labels } = core.status;
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 32768;
  const base = { durationS: samples.length / core.status.sample_rate, utterances: [], levels: [] };
  const equal = labels.map(() => 1 / labels.length);
  const none = { probabilities: equal, guess: null, answered: false, outputs: [] };
  if (peak < core.rules.silent_peak) return { ...base, ...none, reason: "silent" };
  const found = await heard(core, samples, progress);
  const spoken = utterances(core, found.windows);
  const gated = await core.test(samples);
  const levels = gated.levels.map((one) => one.level);
  const { parts, reason } = pieces(core, levels.length, levels, found, spoken);
  const rest = { ...base, utterances: spoken, levels: gated.levels };
  if (!parts) return { ...rest, ...none, reason };
  const outputs = [];
  for (const [first, stop] of parts) {
    const neat = first === gated.onset && stop === levels.length;
    outputs.push(
      neat ? gated.steps.at(-1).outputs : await windowAnswer(core, samples, first, stop),
    );
  }
  const total = parts.reduce((sum, [, , weight]) => sum + weight, 0);
  const probabilities = labels.map((_, label) =>
    outputs.reduce((sum, one, i) => sum + core.probabilities(one)[label] * parts[i][2], 0) / total,
  );
  const guess = labels[largest(probabilities)];
  const answered = Math.max(...probabilities) >= core.rules.threshold;
  return { ...rest, probabilities, guess, answered, reason: null, outputs };
}
