/** A page under inspection: what it asked for, what it complained about, whether it holds still, fits and can be read by all. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Browser, openBrowser } from "#test/hub/dashboard/browser.ts";
import type { Person } from "#test/hub/kit/people.ts";
import { until } from "#test/kit/wait.ts";

export type Theme = "light" | "dark";

/** What is wrong with a page; empty lists and zeros are as it should be. */
export type Findings = {
  readonly complaints: readonly string[];
  /** `status method address` of requests that were answered with an error or not at all */
  readonly failed: readonly string[];
  /** what axe-core found: `impact rule: place` */
  readonly axe: readonly string[];
  /** what reaches over the right edge of the window: `element.class pixels` */
  readonly tooWide: readonly string[];
};

export type Timing = {
  /** sum of layout shifts since the first paint, Chrome's measure (web.dev/articles/cls); below 0.1 counts as good */
  readonly shift: number;
  readonly shifted: readonly string[];
  /** milliseconds from the start of navigation to the first contentful paint */
  readonly paintMs: number;
};

export type Inspector = AsyncDisposable & {
  readonly browser: Browser;
  /** Whose cookie the browser has from now on; null: nobody's. */
  enter(url: string, person: Person | null): Promise<void>;
  /** Opens an address and waits until it and what it asked for are there; findings begin anew. */
  open(url: string): Promise<void>;
  /** Waits until nothing is asked for any more and what came has been drawn. */
  settle(): Promise<void>;
  show(theme: Theme): Promise<void>;
  /** Complaints and failed requests since the page was opened, and what is seen of it now. */
  look(): Promise<Findings>;
  /** The first two alone. */
  troubles(): Pick<Findings, "complaints" | "failed">;
  timing(): Promise<Timing>;
  /** Bytes that came over the wire for documents, scripts, styles and fonts since it was opened first. */
  transferred(): number;
  screenshot(name: string): Promise<void>;
};

const axeSource = readFileSync(join(import.meta.dir, "../../node_modules/axe-core/axe.min.js"), "utf8");
const pictures = join(import.meta.dir, "../../dist/screenshots");

/** Runs in the page before its own scripts. */
const watcher = `window.orionShifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.orionShifts.push({
    value: entry.value,
    what: entry.sources.map(({ node, previousRect, currentRect }) => {
      const of = node?.nodeType === 3 ? node.parentElement : node;
      return (of === null || of === undefined ? "?" : of.tagName.toLowerCase() + "." + of.className) +
        " " + [previousRect, currentRect].map((r) => [r.x, r.y, r.width, r.height].map(Math.round).join(",")).join(" -> ");
    }).join("; "),
  });
}).observe({ type: "layout-shift", buffered: true });`;

/** What came is drawn, and what drawing led to has begun: a component's effects run in a timer after its frame. */
const drawn = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
  setTimeout(() => setTimeout(() => done(true))))))`;

type Sent = {
  readonly requestId: string;
  readonly type: string;
  /** of the document that it belongs to */
  readonly loaderId: string;
  readonly request: { readonly method: string; readonly url: string };
};

type Received = {
  readonly requestId: string;
  readonly response: { readonly status: number; readonly mimeType: string };
};
type Finished = { readonly requestId: string; readonly encodedDataLength: number };
type Failed = { readonly requestId: string; readonly errorText: string; readonly canceled: boolean };

/** What the pages themselves are made of, as opposed to what they show. */
const ownKinds = new Set(["Document", "Script", "Stylesheet", "Font", "Image"]);

/** A browser window of this size that is watched from the first request on. */
export async function inspectAt(width: number, height: number): Promise<Inspector> {
  const browser = await openBrowser({ width, height });
  const { view } = browser;
  const open = new Map<string, Sent>();
  const kinds = new Map<string, string>();
  let loader = "";
  let failed: string[] = [];
  let complained = 0;
  let bytes = 0;

  const on = (name: string, handle: (params: never) => void) =>
    view.addEventListener(name, (event) => handle((event as MessageEvent<never>).data));
  const name = (id: string) => {
    const sent = open.get(id);
    return sent === undefined ? id : `${sent.request.method} ${sent.request.url}`;
  };
  on("Network.requestWillBeSent", (sent: Sent) => {
    const { requestId, type, loaderId } = sent;
    kinds.set(requestId, type);
    if (type === "Document") {
      // of what the page before still asks for nobody hears the end
      loader = loaderId;
      open.clear();
    }
    // a stream never ends
    if (type !== "EventSource" && loaderId === loader) open.set(requestId, sent);
  });
  on("Network.responseReceived", ({ requestId, response }: Received) => {
    if (response.status >= 400) failed.push(`${response.status} ${name(requestId)}`);
    if (response.mimeType === "text/event-stream") open.delete(requestId);
  });
  on("Network.loadingFinished", ({ requestId, encodedDataLength }: Finished) => {
    if (ownKinds.has(kinds.get(requestId) ?? "")) bytes += encodedDataLength;
    open.delete(requestId);
  });
  on("Network.loadingFailed", (failure: Failed) => {
    // what a page no longer wants it gives up itself
    if (!failure.canceled && failure.errorText !== "net::ERR_ABORTED") {
      failed.push(`${failure.errorText} ${name(failure.requestId)}`);
    }
    open.delete(failure.requestId);
  });
  await view.cdp("Network.enable");
  await view.cdp("Page.addScriptToEvaluateOnNewDocument", { source: watcher });

  async function settle(): Promise<void> {
    await until(
      async () => {
        const busy = `document.querySelector("main[aria-busy=true]") !== null`;
        if (open.size > 0 || (await browser.run<boolean>(busy))) return false;
        await browser.run(drawn);
        // drawing may have asked for more
        return open.size === 0;
      },
      `the end of ${[...open.values()].map(({ request }) => request.url).join(", ")}`,
    );
  }

  const troubles = () => ({ complaints: browser.complaints.slice(complained), failed: [...failed] });

  return {
    browser,
    settle,
    troubles,
    async enter(url, person) {
      await view.cdp("Network.clearBrowserCookies");
      for (const pair of (person?.headers["cookie"] ?? "").split("; ")) {
        const at = pair.indexOf("=");
        if (at > 0) await view.cdp("Network.setCookie", { url, name: pair.slice(0, at), value: pair.slice(at + 1) });
      }
    },
    async open(url) {
      failed = [];
      complained = browser.complaints.length;
      await browser.go(url);
      await settle();
    },
    async show(theme) {
      const features = [
        { name: "prefers-color-scheme", value: theme },
        { name: "prefers-reduced-motion", value: "reduce" },
      ];
      await view.cdp("Emulation.setEmulatedMedia", { features });
      await browser.run(drawn);
    },
    async look() {
      return { ...troubles(), axe: await axe(browser), tooWide: await browser.run<string[]>(overflow) };
    },
    async timing() {
      const shifts = await browser.run<{ readonly value: number; readonly what: string }[]>("window.orionShifts");
      const paintMs = await browser.run<number>(
        `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity`,
      );
      const shift = shifts.reduce((sum, { value }) => sum + value, 0);
      return { shift, shifted: shifts.map(({ value, what }) => `${value.toFixed(3)} ${what}`), paintMs };
    },
    transferred: () => bytes,
    async screenshot(file) {
      mkdirSync(pictures, { recursive: true });
      await Bun.write(join(pictures, `${file}.png`), await view.screenshot());
    },
    [Symbol.asyncDispose]: () => browser[Symbol.asyncDispose](),
  };
}

/** WCAG 2.2 A and AA, and what axe-core calls good practice. */
async function axe(browser: Browser): Promise<string[]> {
  if (!(await browser.run<boolean>("typeof axe === 'object'")))
    await browser.view.cdp("Runtime.evaluate", { expression: axeSource });
  return await browser.run<string[]>(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
    violations.flatMap(({ id, impact, nodes }) => nodes.slice(0, 4).map((node) =>
      impact + " " + id + ": " + node.target.join(" ") + " " + node.html.slice(0, 160) + " " +
        (node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ""))))`);
}

/** Elements past the window's edge that the page itself would scroll to; what scrolls within a box of its own is fine. */
const overflow = `(() => {
  const edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= edge && document.body.scrollWidth <= edge) return [];
  const out = (one) => one.getBoundingClientRect().right > edge + 0.5;
  const kept = (one) => {
    for (let box = one.parentElement; box !== null && box !== document.body; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== "visible" && !out(box)) return true;
    return false;
  };
  const found = [...document.querySelectorAll("body *")].filter((one) => out(one) && !kept(one));
  const told = found.slice(0, 6).map((one) => one.tagName.toLowerCase() + "." + one.className + " " +
    Math.round(one.getBoundingClientRect().right) + " " + one.textContent.slice(0, 60));
  // text may reach out of a box that does not
  const range = document.createRange();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null && told.length < 6; node = walker.nextNode()) {
    range.selectNodeContents(node);
    if (out(range) && !kept({ parentElement: node.parentElement })) told.push("text of " + node.parentElement.tagName.toLowerCase() + "." +
      node.parentElement.className + " " + Math.round(range.getBoundingClientRect().right) + " " + node.data.slice(0, 60));
  }
  return told.length === 0 ? ["the page scrolls to " + document.documentElement.scrollWidth] : told;
})()`;
