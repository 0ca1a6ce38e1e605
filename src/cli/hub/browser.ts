/** Opening a page in the user's browser, where there is one. */
import { startCompanion } from "#src/lib/program.ts";

import type { Environment } from "../environment.ts";

/** Programs that know which browser the user has, the most common first. */
const openers = ["xdg-open", "gio", "wslview", "x-www-browser"] as const;

/**
 * Opens `url`, if a browser can be seen: on a graphical session, and never as root, whose browser would run as root.
 * @returns whether something was started that should show it
 */
export function openBrowser(url: string, { variables }: Environment): boolean {
  const graphical = [variables["DISPLAY"], variables["WAYLAND_DISPLAY"]].some(
    (name) => name !== undefined && name !== "",
  );
  if (!graphical || process.getuid?.() === 0) return false;
  for (const opener of openers) {
    const path = Bun.which(opener, { PATH: variables["PATH"] ?? "" });
    if (path === null) continue;
    try {
      startCompanion(opener === "gio" ? [path, "open", url] : [path, url], variables);
      return true;
    } catch {
      // it can't be started: the next one may; the link is shown in any case
    }
  }
  return false;
}
