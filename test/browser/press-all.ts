/** Presses everything on a page that can be pressed, and what that opens, each kind of thing once. */
import { until } from "#test/kit/wait.ts";
import type { Inspector } from "./inspect.ts";

export type Pressed = {
  /** everything that was pressed, `where: what`, or `where: what > what in its dialog` */
  readonly pressed: readonly string[];
  /** what went wrong, after what */
  readonly troubles: readonly string[];
};

export type PressOptions = {
  /** what would end it all, such as signing out */
  readonly never: RegExp;
  /** failed requests that are rules at work: `status method address` */
  readonly refusals: RegExp;
};

type Thing = { readonly key: string; readonly name: string; readonly disabled: boolean };

/**
 * In the page: what people can press, in an open dialog or else anywhere. Things in rows of a list are one kind, whatever
 * the row is about; `mark` puts one in sight and names it for the click.
 */
const finder = `window.orionThings ??= (() => {
  const clean = (text) => (text ?? "").replace(/\\s+/g, " ").trim();
  const kinds = "button, summary, select, input, textarea, a[href], [role=tab], [role=option], [role=menuitem]";
  const near = "section[aria-label], nav, header, form, [role=group], [role=tablist], [aria-label]";
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && one.type !== "hidden";
  const inside = (one) => !one.matches("a[href]") || (one.origin === location.origin && one.target !== "_blank");
  const nameOf = (one) => clean(one.getAttribute("aria-label") ?? (one.matches("select,input,textarea")
    ? (one.labels?.[0]?.textContent ?? one.name) : one.textContent)).slice(0, 60);
  function all() {
    const root = document.querySelector("dialog[open]") ?? document.body;
    const found = new Map();
    for (const one of root.querySelectorAll(kinds)) {
      if (!shown(one) || !inside(one)) continue;
      const row = one.closest("li, tr, .row, article, .line, .group, .mark");
      const where = clean(one.parentElement?.closest(near)?.getAttribute("aria-label"));
      const what = row === null ? nameOf(one) : row.className + " " + one.className;
      const key = [one.tagName, one.type ?? "", where, what].join("|");
      if (!found.has(key)) found.set(key, one);
    }
    return found;
  }
  return {
    list: () => [...all()].map(([key, one]) => ({ key, name: nameOf(one), disabled: one.disabled === true })),
    mark(key) {
      const one = all().get(key);
      document.querySelector("[data-pressed]")?.removeAttribute("data-pressed");
      if (one === undefined || one.disabled) return "";
      one.setAttribute("data-pressed", "");
      // an open menu may lie over it, as it does for people
      for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(one)) menu.open = false;
      one.scrollIntoView({ block: "center", behavior: "instant" });
      return one.tagName;
    },
    hit() {
      const one = document.querySelector("[data-pressed]");
      if (one === null) return "it is gone";
      const { x, y, width, height } = one.getBoundingClientRect();
      const there = document.elementFromPoint(x + width / 2, y + height / 2);
      if (there === null || !one.contains(there)) return "something lies over it: " + (there?.outerHTML ?? "").slice(0, 80);
      one.click();
      return "";
    },
    choose() {
      const list = document.querySelector("[data-pressed]");
      list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
      list.dispatchEvent(new Event("change", { bubbles: true }));
    },
  };
})()`;

/** Opens `url` and presses. A dialog that Escape doesn't close is a trouble, too. */
export async function pressAll(inspector: Inspector, url: string, { never, refusals }: PressOptions): Promise<Pressed> {
  const { browser } = inspector;
  const { view } = browser;
  const run = <T>(script: string) => browser.run<T>(script);
  const pressed: string[] = [];
  const troubles: string[] = [];
  let known = 0;

  const things = async () => {
    await run(`void (${finder})`);
    return (await run<readonly Thing[]>("orionThings.list()")).filter(
      ({ name, disabled }) => !disabled && !never.test(name),
    );
  };
  const hasDialog = () => run<boolean>(`document.querySelector("dialog[open]") !== null`);

  async function press(key: string, name: string): Promise<boolean> {
    const tag = await run<string>(`orionThings.mark(${JSON.stringify(key)})`);
    if (tag === "") return false;
    if (tag === "SELECT") await run("orionThings.choose()");
    else {
      const why = await view.click("[data-pressed]", { timeout: 5000 }).then(
        () => "",
        // what moves with every report is never still for the browser's own click; a person hits it all the same
        async () => await run<string>("orionThings.hit()"),
      );
      if (why !== "") troubles.push(`${name}: can't be clicked, ${why}`);
    }
    pressed.push(name);
    await inspector.settle();
    const { complaints, failed } = inspector.troubles();
    const all = [...complaints, ...failed.filter((request) => !refusals.test(request))];
    for (const trouble of all.slice(known)) troubles.push(`${name}: ${trouble}`);
    known = all.length;
    return true;
  }

  /** Back to where it began. */
  async function begin(): Promise<void> {
    await inspector.open(url);
    known = 0;
    await run(`void (${finder})`);
  }

  async function closeDialog(name: string): Promise<void> {
    await view.press("Escape");
    const closed = until(async () => !(await hasDialog()), `the end of the dialog of ${name}`, 2000);
    await closed.catch((error: unknown) => void troubles.push(String(error)));
  }

  await begin();
  const at = await browser.place();
  for (const { key, name } of await things()) {
    if (troubles.length > 20) break;
    if ((await browser.place()) !== at || (await hasDialog())) await begin();
    if (!(await press(key, name)) || !(await hasDialog())) continue;
    for (const inner of await things()) {
      if (!(await hasDialog())) {
        await begin();
        if (!(await press(key, name))) break;
      }
      await press(inner.key, `${name} > ${inner.name}`);
    }
    if (await hasDialog()) await closeDialog(name);
  }
  return { pressed, troubles };
}
