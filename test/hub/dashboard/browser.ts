/** Chromium with somebody before it: pages are read, filled in and clicked by what people see of them. */
import { existsSync } from "node:fs";

import { password } from "#test/hub/kit/people.ts";
import { until } from "#test/kit/wait.ts";

/** Where Chromium is; undefined: these tests can't run here. */
export const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

export type Browser = AsyncDisposable & {
  readonly view: Bun.WebView;
  /** what the browser complained about: violations of the policy, errors of scripts, anything on the console */
  readonly complaints: readonly string[];
  /** Opens an address and waits until its page and what it loads are there. */
  go(url: string): Promise<void>;
  /** Path, query and hash of where it is. */
  place(): Promise<string>;
  /** Texts of all elements of this selector. */
  texts(selector: string): Promise<string[]>;
  /** The text of the first element of this selector that holds `part`, once it is there. */
  see(selector: string, part?: string): Promise<string>;
  /** Waits until no element of this selector holds `part`. */
  gone(selector: string, part: string): Promise<void>;
  /** Types into the field of this label, in place of what is there. */
  fill(label: string, text: string): Promise<void>;
  /** Chooses an option of the list of this label by its value. */
  choose(label: string, value: string): Promise<void>;
  /** Clicks the button, link or summary of this name. */
  press(name: string): Promise<void>;
  /** Whether there is such a button, link or summary. */
  offers(name: string): Promise<boolean>;
  /** Forgets all cookies: from then on it is somebody else's browser. */
  forget(): Promise<void>;
  /** Runs an expression in the page. */
  run<T>(script: string): Promise<T>;
};

const argv = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Only reached when something is wrong. */
const actionableMs = 15_000;

/** Finds what people see; an open dialog hides what is behind it. Runs in the page. */
const finder = `window.orionFind = (kind, name) => {
  const root = document.querySelector("dialog[open]") ?? document;
  const clean = (text) => (text ?? "").replace(/\\s+/g, " ").trim();
  const named = (element) => clean(element.getAttribute("aria-label") ?? element.textContent) === name;
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  if (kind === "field") {
    const label = [...root.querySelectorAll("label")].find((one) => clean(one.textContent) === name);
    const field = label && (document.getElementById(label.htmlFor) ?? label.querySelector("input"));
    return field ?? [...root.querySelectorAll("input,select")].find((one) => one.getAttribute("aria-label") === name);
  }
  return [...root.querySelectorAll("button,a[href],summary")].find((one) => named(one) && shown(one));
};
addEventListener("securitypolicyviolation", (event) => console.error("policy", event.violatedDirective, event.blockedURI));`;

export type BrowserOptions = {
  readonly width?: number;
  readonly height?: number;
  /** another one is open and keeps its cookies; they share them, so that this one must use another name of the hub */
  readonly beside?: boolean;
};

/** A browser without cookies. */
export async function openBrowser({
  width = 1280,
  height = 800,
  beside = false,
}: BrowserOptions = {}): Promise<Browser> {
  const complaints: string[] = [];
  const view = new Bun.WebView({
    width,
    height,
    backend: { type: "chrome", path: chromium ?? "", argv },
    console: (...parts: unknown[]) => void complaints.push(parts.map(textOf).join(" ")),
  });
  await view.navigate("about:blank");
  await view.cdp("Page.enable");
  await view.cdp("Page.addScriptToEvaluateOnNewDocument", { source: finder });
  await view.cdp("Runtime.enable");
  view.addEventListener("Runtime.exceptionThrown", (event) => {
    complaints.push(JSON.stringify((event as MessageEvent<unknown>).data));
  });
  const run = async <T>(script: string) => (await view.evaluate(script)) as T;
  /** Reads; a page that is just being left says nothing. */
  async function look<T>(script: string): Promise<T | undefined> {
    try {
      return await run<T>(script);
    } catch (error) {
      if (/navigated or closed|context was destroyed|Cannot find context/.test(String(error))) return undefined;
      throw error;
    }
  }

  const texts = async (selector: string) =>
    (await look<string[]>(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((one) => one.textContent)`,
    )) ?? [];

  /** Marks the element for a click, in sight. */
  async function mark(kind: "field" | "button", name: string): Promise<string> {
    const script = `((found) => {
      if (found === undefined || found === null || found.disabled) return false;
      document.querySelector("[data-marked]")?.removeAttribute("data-marked");
      found.setAttribute("data-marked", "");
      found.scrollIntoView({ block: "center", behavior: "instant" });
      return true;
    })(orionFind(${JSON.stringify(kind)}, ${JSON.stringify(name)}))`;
    await until(() => look<boolean>(script), `${kind} "${name}"`);
    return "[data-marked]";
  }

  async function click(selector: string, name: string): Promise<void> {
    await view.click(selector, { timeout: actionableMs }).catch((error: unknown) => {
      throw new Error(`"${name}" can't be clicked: ${String(error)}`);
    });
  }

  if (!beside) await view.cdp("Network.clearBrowserCookies");
  return {
    view,
    complaints,
    run,
    texts,
    async go(url) {
      await view.navigate(url);
      // what is still to come would move what is about to be clicked
      const loading = "[...document.querySelectorAll('.nothing')].some((one) => one.textContent === 'Loading…')";
      await until(
        () => look<boolean>(`document.querySelector("main, .bar") !== null && !${loading}`),
        `a page at ${url}`,
      );
    },
    place: () => run<string>("location.pathname + location.search + location.hash"),
    see: (selector, part = "") =>
      until(async () => (await texts(selector)).find((text) => text.includes(part)), `"${part}" in ${selector}`),
    async gone(selector, part) {
      await until(
        async () => !(await texts(selector)).some((text) => text.includes(part)),
        `the end of "${part}" in ${selector}`,
      );
    },
    async fill(label, text) {
      await click(await mark("field", label), label);
      await run("document.activeElement?.select?.()");
      await view.type(text);
    },
    async choose(label, value) {
      const selector = await mark("field", label);
      await run(
        `((list) => { list.value = ${JSON.stringify(value)}; list.dispatchEvent(new Event("change", { bubbles: true })); })(document.querySelector("${selector}"))`,
      );
    },
    async press(name) {
      await click(await mark("button", name), name);
    },
    offers: (name) => run<boolean>(`(orionFind("button", ${JSON.stringify(name)}) ?? null) !== null`),
    async forget() {
      await view.cdp("Network.clearBrowserCookies");
    },
    [Symbol.asyncDispose]() {
      view.close();
      return Promise.resolve();
    },
  };
}

/** Signs in on the page and waits for the bar. */
export async function signIn(browser: Browser, url: string, email: string): Promise<void> {
  await browser.go(`${url}/login`);
  await browser.fill("E-mail", email);
  await browser.fill("Password", password);
  await browser.press("Sign in");
  await browser.see(".bar nav", "Servers");
}

/** Arguments of a console call as Chrome describes them. */
function textOf(part: unknown): string {
  if (typeof part === "string") return part;
  if (typeof part === "object" && part !== null && "description" in part) return String(part.description);
  return JSON.stringify(part);
}
