/** A strict reader of Prometheus' text format: what its documentation allows, and nothing else. */

export type Parsed = {
  /** type of each family */
  readonly families: ReadonlyMap<string, string>;
  /** by name and labels as they stand */
  readonly samples: ReadonlyMap<string, number>;
};

const name = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const sample = new RegExp(`^(${name})((?:\\{${label}(?:,${label})*\\})?) (-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`);
const help = new RegExp(`^# HELP (${name}) \\S.*$`);
const type = new RegExp(`^# TYPE (${name}) (gauge|counter|histogram)$`);

/** Throws when a line is none, a family is scattered or without help and type, or a sample is there twice. */
export function parseExposition(text: string): Parsed {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, string>();
  const samples = new Map<string, number>();
  let helped = "";
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const [, of] = help.exec(line) ?? [];
    const [, typed, kind] = type.exec(line) ?? [];
    const [, family, labels = "", value] = sample.exec(line) ?? [];
    if (of !== undefined) helped = of;
    else if (typed !== undefined && kind !== undefined) {
      if (typed !== helped || families.has(typed)) throw new Error(`family ${typed} is scattered or has no help`);
      families.set((current = typed), kind);
    } else if (family !== undefined) {
      const whole = families.get(current) === "histogram" ? family.replace(/_(bucket|sum|count)$/, "") : family;
      if (whole !== current) throw new Error(`${line} is not in its family`);
      if (samples.has(family + labels)) throw new Error(`${line} is there twice`);
      if (families.get(family) === "counter" && !family.endsWith("_total")) throw new Error(`${family} is no counter`);
      samples.set(family + labels, Number(value));
    } else throw new Error(`not a line: ${line}`);
  }
  return { families, samples };
}
