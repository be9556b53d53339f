// A zip archive, not compressed: sound hardly is smaller.

import { crc32 } from "./protocol.js";

const UTF8 = 0x0800; // names are UTF-8
const DAY = 0x0021; // 1 January 1980: an archive of the same clips has the same bytes

function header(signature, size, name, data) {
  const bytes = new Uint8Array(size + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  const at = size === 46 ? 6 : 4; // the directory's entry has one more version
  if (size === 46) view.setUint16(4, 20, true);
  view.setUint16(at, 20, true);
  view.setUint16(at + 2, UTF8, true);
  view.setUint16(at + 8, DAY, true);
  view.setUint32(at + 10, crc32(data), true);
  view.setUint32(at + 14, data.length, true);
  view.setUint32(at + 18, data.length, true);
  view.setUint16(at + 22, name.length, true);
  bytes.set(name, size);
  return { bytes, view };
}

/** Files, [name, Uint8Array] each, as a Blob. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [name, data] of files) {
    const letters = new TextEncoder().encode(name);
    const local = header(0x04034b50, 30, letters, data).bytes;
    const entry = header(0x02014b50, 46, letters, data);
    entry.view.setUint32(42, offset, true);
    parts.push(local, data);
    directory.push(entry.bytes);
    offset += local.length + data.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, directory.length, true);
  end.setUint16(10, directory.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, offset, true);
  return new Blob([...parts, ...directory, end.buffer], { type: "application/zip" });
}

/** A row of a CSV file. */
export function csvRow(values) {
  const cells = values.map((value) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(",")}\r\n`;
}
