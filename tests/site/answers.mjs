// Answers recordings as the page does and prints what came out, as JSON.
//     node answers.mjs MODULE SETTINGS < [{"name": …, "samples": [int16, …]}, …]

import { readFile } from "node:fs/promises";
import { stdin } from "node:process";
import { text } from "node:stream/consumers";
import { answer } from "../../site/js/answering.js";
import { Core, compile } from "../../site/js/core.js";

const core = await Core.start(await compile(readFile(process.argv[2])));
core.rules = JSON.parse(await readFile(process.argv[3])).rules;
const results = [];
for (const { name, samples } of JSON.parse(await text(stdin))) {
  const began = performance.now();
  const found = await answer(core, Int16Array.from(samples));
  const seconds = (performance.now() - began) / 1000;
  results.push({ name, ...found, levels: found.levels.length, seconds });
}
console.log(JSON.stringify(results));
