// Runs golden clips through the module's test mode and prints what came out, as JSON.
//     node golden.mjs MODULE < [{"name": …, "samples": [int16, …]}, …]

import { readFile } from "node:fs/promises";
import { stdin } from "node:process";
import { text } from "node:stream/consumers";
import { Core, compile } from "../../site/js/core.js";

const core = await Core.start(await compile(readFile(process.argv[2])));
const results = [];
for (const { name, samples } of JSON.parse(await text(stdin))) {
  const { onset, steps } = await core.test(Int16Array.from(samples));
  results.push({
    name,
    onset,
    inputs: steps.map((step) => [...step.inputs]),
    outputs: [...steps.at(-1).outputs],
  });
}
console.log(JSON.stringify({ status: core.status, results }));
