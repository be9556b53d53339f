// Prints how much of the processor's time a second of sound takes, live and streaming.
//     node speed.mjs MODULE < [{"name": …, "samples": [int16, …]}]

import { readFile } from "node:fs/promises";
import process, { stdin } from "node:process";
import { text } from "node:stream/consumers";
import { Core, compile } from "../../site/js/core.js";

const core = await Core.start(await compile(readFile(process.argv[2])));
await core.command("stream start");
const [{ samples }] = JSON.parse(await text(stdin));
const sound = Int16Array.from(samples);
core.hear(sound); // compiled to its best from now on
const before = process.cpuUsage();
core.hear(sound);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1e6 / (sound.length / core.status.sample_rate));
