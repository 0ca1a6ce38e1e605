/** Appends deliveries to a store of blocks until it is killed; prints the last number of each that is durable. */
import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { systemClock } from "#src/lib/clock.ts";
import { append } from "./open.ts";
import { numbered } from "./numbered.ts";

const [, , folder = "", from = "0"] = process.argv;
const store = await openBlocks(folder, systemClock, (error) => {
  throw error;
});
let next = Math.max(Number(from), store.lastSeq("s1") + 1);
for (;;) {
  const count = 2000 + ((next * 7) % 5000);
  await append(store, "s1", numbered(next, count));
  next += count;
  process.stdout.write(`${next - 1}\n`);
  // not so fast that the test has to look at millions of lines
  await Bun.sleep(10);
}
