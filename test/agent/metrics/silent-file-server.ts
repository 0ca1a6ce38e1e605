/**
 * A program for disk-remote.test.ts, run in a mount namespace of its own: mounts a FUSE filesystem that it serves itself,
 * first not at all and then properly, and prints what the disk collector makes of it. Argument: the folder to mount on.
 * The messages are those of the kernel's include/uapi/linux/fuse.h, version 7.31.
 */
import { dlopen, ptr } from "bun:ffi";
import { openSync, readSync, writeSync } from "node:fs";
import { createMetrics } from "#src/agent/metrics/metrics.ts";
import { systemClock } from "#src/lib/clock.ts";

const folder = process.argv[2] ?? "";
const { symbols: libc } = dlopen("libc.so.6", {
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
});
const text = (of: string) => ptr(Buffer.from(`${of}\0`));
const fuse = openSync("/dev/fuse", "r+");
const options = `fd=${fuse},rootmode=40000,user_id=0,group_id=0`;
if (libc.mount(text("silent"), text(folder), text("fuse"), 0n, text(options)) !== 0) throw new Error("mount failed");

let nowMs = 0;
const metrics = createMetrics({
  procPath: "/proc",
  diskPath: folder,
  clock: { ...systemClock, monotonic: () => nowMs },
  log: { warn: () => {} },
});
const reader = metrics.openReader();
const show = (when: string) => {
  const { total, used, usage } = reader.read().disk;
  console.log(JSON.stringify({ when, total, used, usage, problems: metrics.problems().map(({ why }) => why) }));
};

show("asked");
nowMs += 11_000;
show("silent");
// INIT, then STATFS
answer(64, (body) => {
  body.setUint32(0, 7, true);
  body.setUint32(4, 31, true);
});
answer(80, (body) => {
  // 1,000 fragments of 512 bytes, 400 of them free, 200 for all; the block size is that of good transfers only
  for (const [index, blocks] of [1000, 400, 200].entries()) body.setBigUint64(index * 8, BigInt(blocks), true);
  body.setUint32(40, 65_536, true);
  body.setUint32(48, 512, true);
});
while (reader.read().disk.total === null) await Bun.sleep(1);
show("answered");
// the question that the last reading asked is never answered: closing /dev/fuse by ending ends it too
process.exit(0);

/** Takes the next message of the kernel, waiting for it, and answers it. */
function answer(length: number, fill: (body: DataView) => void): void {
  const request = new DataView(new ArrayBuffer(65_536));
  readSync(fuse, request);
  const reply = new DataView(new ArrayBuffer(16 + length));
  reply.setUint32(0, reply.byteLength, true);
  reply.setBigUint64(8, request.getBigUint64(8, true), true);
  fill(new DataView(reply.buffer, 16));
  writeSync(fuse, reply);
}
