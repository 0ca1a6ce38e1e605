/**
 * Makes the pictures of the README anew, from a simulated fleet with a past of some hours: `bun test/browser/pictures.ts`.
 * Writes docs/overview.webp, docs/server.webp, docs/logs.webp and docs/errors.webp.
 */
import { join } from "node:path";

import type { ErrorsPage } from "#src/protocol/error-group.ts";
import { type Theme, inspectAt } from "./inspect.ts";
import { startRig } from "./rig.ts";

const docs = join(import.meta.dir, "../../docs");

await using rig = await startRig({ servers: 24, hours: 6, simulatedOnly: true });
await using inspector = await inspectAt(1440, 900);
const { view } = inspector.browser;
await view.cdp("Emulation.setScrollbarsHidden", { hidden: true });
await inspector.enter(rig.hub.url, await rig.hub.owner());
const { groups } = await rig.hub.json<ErrorsPage>("/api/errors?sort=count");
const pictures: readonly (readonly [name: string, theme: Theme, address: string])[] = [
  ["overview", "dark", "/"],
  ["server", "light", `/servers/${rig.things.troubledId}?range=6h`],
  ["logs", "dark", "/logs"],
  ["errors", "light", `/errors/${groups.find(({ type }) => type !== null)?.fingerprint ?? ""}`],
];
for (const [name, theme, address] of pictures) {
  await inspector.show(theme);
  await inspector.open(rig.hub.url + address);
  // the place of the scroll bar
  await inspector.browser.run(`document.documentElement.style.scrollbarGutter = "auto"`);
  await inspector.settle();
  await Bun.write(join(docs, `${name}.webp`), await view.screenshot({ format: "webp", quality: 82 }));
}
