/** Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats): numbers gathered in any order, by family. */

export type Family = {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
};

export type Labels = Readonly<Record<string, string>>;

export type Exposition = {
  /** Adds a number; null and what is no number is left out. `suffix`: which part of a histogram. */
  readonly add: (family: Family, labels: string, value: number | null | undefined, suffix?: string) => void;
  /** All of it, a family after the other in the order in which they came up. */
  readonly text: () => string;
};

/** Labels as they stand between the braces. */
export function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeValue(value)}"`)
    .join(",");
}

function escapeValue(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}

export function createExposition(): Exposition {
  const families = new Map<Family, string[]>();
  return {
    add(family, labels, value, suffix = "") {
      if (value === null || value === undefined || !Number.isFinite(value)) return;
      let lines = families.get(family);
      if (lines === undefined) {
        lines = [`# HELP ${family.name} ${family.help}\n# TYPE ${family.name} ${family.type}\n`];
        families.set(family, lines);
      }
      const name = family.name + suffix;
      lines.push(labels === "" ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`);
    },
    text: () => [...families.values()].map((lines) => lines.join("")).join(""),
  };
}
