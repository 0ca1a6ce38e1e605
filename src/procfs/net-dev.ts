/** `/proc/net/dev`: traffic of each network interface since it was made. See proc_pid_net(5). */
import { parseCount, words } from "./text.ts";

/** Bytes that an interface has received and sent. */
export type Traffic = { readonly rxBytes: number; readonly txBytes: number };

// columns behind the colon: eight of the receiving side, eight of the sending side, bytes first
const columns = 16;
const txColumn = 8;

/**
 * Parses `/proc/net/dev` to the traffic by interface, in the kernel's order. Lines that are cut are left out; undefined
 * when the text has not the heading of that file.
 */
export function parseNetDev(text: string): Map<string, Traffic> | undefined {
  if (!text.startsWith("Inter-|")) return undefined;
  const traffic = new Map<string, Traffic>();
  for (const line of text.split("\n").slice(2)) {
    // older 2.6 kernels leave no blank behind the colon when the number is long: `eth0:1234567890`
    const colon = line.indexOf(":");
    if (colon === -1) continue;
    const name = line.slice(0, colon).trim();
    const fields = words(line.slice(colon + 1));
    const rxBytes = parseCount(fields[0]);
    const txBytes = parseCount(fields[txColumn]);
    if (name === "" || fields.length < columns || rxBytes === undefined || txBytes === undefined) continue;
    // the file is read in pieces: an interface made meanwhile can shift another one onto a second line
    traffic.set(name, { rxBytes, txBytes });
  }
  return traffic;
}
