// Pictures of what was heard: the sound, its mel bands, the probabilities. On a canvas, by hand.

const GAP = 10;
const ROWS = { sound: 64, mel: 96, chances: 110 };
const RANGE_DB = 70; // of the mel picture, below its loudest

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A canvas as sharp as the screen; gives its context and its width in CSS pixels. */
function prepared(canvas) {
  const height = ROWS.sound + ROWS.mel + ROWS.chances + 2 * GAP;
  const width = Math.max(240, canvas.clientWidth);
  const ratio = devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width };
}

function shade(context, spans, x, top, height) {
  for (const { from, to, colour, alpha } of spans) {
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.fillRect(x(from), top, Math.max(1, x(to) - x(from)), height);
  }
  context.globalAlpha = 1;
}

function sound(context, { samples, sampleFromS, rate }, x, width) {
  const middle = ROWS.sound / 2;
  const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1024);
  context.fillStyle = css("--ink-soft");
  for (let pixel = 0; pixel < width; pixel++) {
    const from = Math.floor((x.inverse(pixel) - sampleFromS) * rate);
    const to = Math.floor((x.inverse(pixel + 1) - sampleFromS) * rate);
    let [low, high] = [0, 0];
    for (let i = Math.max(0, from); i < Math.min(samples.length, to); i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const size = Math.max(1, ((high - low) / peak) * middle);
    context.fillRect(pixel, middle - (high / peak) * middle, 1, size);
  }
}

/** Dark to bright through blue and orange: each colour is lighter than the one before. */
function heat(share) {
  const stops = [
    [14, 16, 40],
    [58, 42, 120],
    [168, 58, 98],
    [238, 126, 56],
    [252, 232, 158],
  ];
  const place = Math.max(0, Math.min(0.999, share)) * (stops.length - 1);
  const [low, high] = [stops[Math.floor(place)], stops[Math.floor(place) + 1]];
  return low.map((value, i) => Math.round(value + (high[i] - value) * (place % 1)));
}

function mel(context, { bands, hopS }, x, top) {
  if (!bands.length) return;
  const count = bands[0][1].length;
  let loudest = -60;
  for (const [, values] of bands) for (const value of values) loudest = Math.max(loudest, value);
  const picture = new OffscreenCanvas(bands.length, count);
  const inner = picture.getContext("2d");
  const image = inner.createImageData(bands.length, count);
  bands.forEach(([, values], frame) => {
    for (let band = 0; band < count; band++) {
      const colour = heat(1 - (loudest - values[band]) / RANGE_DB);
      const at = 4 * ((count - 1 - band) * bands.length + frame);
      image.data.set([...colour, 255], at);
    }
  });
  inner.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  const [from, to] = [bands[0][0], bands.at(-1)[0] + hopS];
  context.drawImage(picture, x(from), top, x(to) - x(from), ROWS.mel);
}

function chances(context, { steps, labels, colours, threshold }, x, top, width) {
  const y = (share) => top + ROWS.chances - share * (ROWS.chances - 4);
  context.strokeStyle = css("--line");
  context.strokeRect(0.5, top + 0.5, width - 1, ROWS.chances - 1);
  context.setLineDash([4, 4]);
  context.strokeStyle = css("--ink-soft");
  context.beginPath();
  context.moveTo(0, y(threshold));
  context.lineTo(width, y(threshold));
  context.stroke();
  context.setLineDash([]);
  context.lineWidth = 2.5;
  labels.forEach((label, i) => {
    context.strokeStyle = colours[label];
    context.beginPath();
    for (const [second, values, begins] of steps) {
      if (begins) context.moveTo(x(second), y(values[i]));
      else context.lineTo(x(second), y(values[i]));
    }
    context.stroke();
  });
  context.lineWidth = 1;
  context.fillStyle = css("--ink-soft");
  context.font = "11px system-ui, sans-serif";
  context.fillText(`${Math.round(100 * threshold)} %: sure enough to answer`, 6, y(threshold) - 4);
}

/**
 * Draws a stretch of sound.
 *
 * @param what fromS, toS, samples, sampleFromS, rate, bands, hopS, steps, labels, colours,
 *   threshold, spans: [{from, to, colour, alpha}].
 */
export function draw(canvas, what) {
  const { context, width } = prepared(canvas);
  const length = Math.max(1e-3, what.toS - what.fromS);
  const x = (second) => ((second - what.fromS) / length) * width;
  x.inverse = (pixel) => what.fromS + (pixel / width) * length;
  shade(context, what.spans, x, 0, ROWS.sound);
  sound(context, what, x, width);
  const melTop = ROWS.sound + GAP;
  context.fillStyle = css("--sunken");
  context.fillRect(0, melTop, width, ROWS.mel);
  mel(context, what, x, melTop);
  const top = melTop + ROWS.mel + GAP;
  shade(context, what.spans, x, top, ROWS.chances);
  chances(context, what, x, top, width);
}

/** Spans of speech in levels [second, dB, speech]. */
export function speechSpans(levels, hopS) {
  const spans = [];
  for (const [second, , speech] of levels) {
    const last = spans.at(-1);
    if (!speech) continue;
    if (last && second - last.to < 1.5 * hopS) last.to = second;
    else spans.push({ from: second - hopS, to: second, colour: css("--accent"), alpha: 0.16 });
  }
  return spans;
}
