/** What a segment holds: subjects in a fixed order. Servers that run the same things share one in memory. */
import type { Metric, Subject, Template } from "#src/protocol/series.ts";

export type Shape = {
  readonly subjects: readonly Subject[];
  /** of all subjects, one after the other */
  readonly metrics: readonly Metric[];
  /** where the level of each counter stands; -1 for a gauge */
  readonly slots: Int32Array;
  readonly counters: number;
};

/** Shapes that are kept to be shared; those in use live on beyond it. */
const maxKnown = 20_000;

export function createShape(subjects: readonly Subject[]): Shape {
  const metrics = subjects.flatMap(({ template }) => template.metrics);
  let counters = 0;
  const slots = Int32Array.from(metrics, ({ counter }) => (counter ? counters++ : -1));
  return { subjects, metrics, slots, counters };
}

/** Gives the same shape for the same subjects. */
export function createShapes(): (subjects: readonly Subject[]) => Shape {
  const templates = new Map<Template, number>();
  const known = new Map<string, Shape>();
  return (subjects) => {
    const key = subjects.map(({ template, name }) => `${numberOf(templates, template)} ${name}`).join("\n");
    let shape = known.get(key);
    if (shape === undefined) {
      if (known.size >= maxKnown) known.clear();
      known.set(key, (shape = createShape(subjects)));
    }
    return shape;
  };
}

function numberOf(templates: Map<Template, number>, template: Template): number {
  let number = templates.get(template);
  if (number === undefined) templates.set(template, (number = templates.size));
  return number;
}

/** Whether a shape is of these subjects. */
export function isOf({ subjects: own }: Shape, subjects: readonly Subject[]): boolean {
  if (own === subjects) return true;
  if (own.length !== subjects.length) return false;
  for (let i = 0; i < own.length; i++) {
    if (own[i]?.template !== subjects[i]?.template || own[i]?.name !== subjects[i]?.name) return false;
  }
  return true;
}
