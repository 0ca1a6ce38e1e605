/** Error groups for people. */
import type { ErrorDetail, ErrorGroup, ErrorSample } from "#src/protocol/error-group.ts";

import { type Paint, type Style, harmless } from "../colour.ts";
import { renderTable } from "../table.ts";
import { ago, count, duration, localTime } from "../units.ts";
import { bars } from "./errors-bars.ts";
import { renderTraceback } from "./errors-traceback.ts";

/** Characters of an id that tell groups apart in a list. */
const shortId = 8;
const longestTitle = 90;

/** What went wrong, on one line of at most so many characters. */
export function title({ type, value }: Pick<ErrorGroup, "type" | "value">, most: number = longestTitle): string {
  const whole = [type, value].filter((part) => part !== null && part !== "").join(": ");
  const line = harmless(whole, false).replace(/\s+/g, " ").trim();
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}

/** One line a group. Projects are named when there are several. */
export function renderErrors(
  groups: readonly ErrorGroup[],
  projectName: (id: string) => string,
  paint: Paint,
  now: number,
): string[] {
  const several = new Set(groups.map(({ project }) => project)).size > 1;
  const columns = [
    { title: "ID" },
    { title: "COUNT", right: true },
    { title: "LAST SEEN", right: true },
    { title: "24 HOURS" },
    { title: "STATE" },
    ...(several ? [{ title: "PROJECT" }] : []),
    { title: "SOURCES" },
    { title: "ERROR" },
  ];
  const rows = groups.map((group) => [
    group.fingerprint.replace(/^v\d+:/, "").slice(0, shortId),
    count(group.count),
    ago(group.lastSeen, now),
    bars(group.sparkline),
    paint(stateStyle(group), stateWord(group)),
    ...(several ? [harmless(projectName(group.project), false)] : []),
    harmless(some(group.sources, 2), false),
    title(group),
  ]);
  return renderTable(columns, rows);
}

/** `unresolved`, `regressed`, `resolved`, `ignored`. */
const stateWord = ({ state, regressedAt }: ErrorGroup): string =>
  state === "unresolved" && regressedAt !== null ? "regressed" : state;

const stateStyle = (group: ErrorGroup): Style =>
  group.state === "unresolved" ? "red" : group.state === "resolved" ? "green" : "dim";

function some(names: readonly string[], most: number): string {
  const more = names.length > most ? ` +${names.length - most}` : "";
  return `${names.slice(0, most).join(", ")}${more}`;
}

/** All that is known of one group. */
export function renderError(detail: ErrorDetail, project: string, paint: Paint, now: number): string {
  const lines: (readonly [string, string])[] = [
    ["id", detail.fingerprint],
    ["project", project],
    ["state", paint(stateStyle(detail), describeState(detail, now))],
    ["seen", `${times(detail.count)}, first ${ago(detail.firstSeen, now)}, last ${ago(detail.lastSeen, now)}`],
    ["24 hours", `${bars(detail.sparkline)} ${count(detail.sparkline.reduce((sum, one) => sum + one, 0))}`],
    ["sources", tallies(detail.bySource)],
    ...(detail.byServer.length === 0 ? [] : [["servers", tallies(detail.byServer)] as const]),
    ...(detail.byRelease.length === 0 ? [] : [["releases", tallies(detail.byRelease)] as const]),
    ...detail.crashSummary.map(
      (crash) =>
        ["crash", `${crash.how}, ${times(crash.count)}, after this error; last ${ago(crash.lastAt, now)}`] as const,
    ),
    ...(detail.merged.length === 0 ? [] : [["merged", detail.merged.join(", ")] as const]),
    ...detail.explanation.decided.map(({ what, value }) => ["grouped by", `${what}: ${value}`] as const),
    ...detail.explanation.ignored.map(
      ({ what, value }) => ["ignored", value === "" ? what : `${what}: ${value}`] as const,
    ),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const body = lines.map(([name, value], i) => {
    // what is said again and again is named once
    const label = lines[i - 1]?.[0] === name ? "" : name;
    return `  ${label.padEnd(width)}  ${harmless(value, true).replace(/\s*\n\s*/g, " ")}`;
  });
  const sample = detail.sample === null ? [] : renderSample(detail.sample, paint);
  return `${[paint("bold", title(detail, 400)), ...body, ...sample].join("\n")}\n`;
}

const times = (number: number): string => (number === 1 ? "once" : `${count(number)} times`);

const tallies = (all: readonly { readonly name: string; readonly count: number }[]): string =>
  some(
    all.map(({ name, count: number }) => `${harmless(name, false)} (${count(number)})`),
    8,
  );

/** One line a sample. Those with the same mark are alike: `split` takes all of them. */
export function renderSamples(samples: readonly ErrorSample[], now: number): string[] {
  const variants = [...new Set(samples.map(({ variant }) => variant))];
  const columns = [
    { title: "ID" },
    { title: "SEEN", right: true },
    { title: "LIKE" },
    { title: "WHERE" },
    { title: "RELEASE" },
    { title: "ERROR" },
  ];
  const rows = samples.map((sample) => [
    sample.id,
    ago(sample.at, now),
    `#${variants.indexOf(sample.variant) + 1}`,
    harmless(`${sample.server.name}/${sample.source}`, false),
    harmless(sample.release ?? "-", false),
    title(innermost(sample)),
  ]);
  return renderTable(columns, rows);
}

/** What a group is named after. */
function innermost({ parts, lines }: ErrorSample): Pick<ErrorGroup, "type" | "value"> {
  const cause = parts.findLast(({ relation }) => relation === "cause" || relation === "context");
  const { type, value } = cause ?? parts.find(({ relation }) => relation === "member") ?? parts[0] ?? nameless;
  return { type, value: value === "" ? (lines[0] ?? "") : value };
}

const nameless = { type: null, value: "" };

function describeState(group: ErrorGroup, now: number): string {
  const by =
    group.decidedBy === null || group.decidedAt === null ? "" : `, by ${group.decidedBy} ${ago(group.decidedAt, now)}`;
  switch (group.state) {
    case "unresolved":
      return group.regressedAt === null
        ? "unresolved"
        : `unresolved: it was resolved, and came back ${ago(group.regressedAt, now)}`;
    case "resolved":
      return `resolved${group.resolvedIn === null ? "" : ` in ${group.resolvedIn}`}${by}`;
    case "ignored": {
      const until =
        group.ignoredUntil === null ? [] : [`for ${duration((Date.parse(group.ignoredUntil) - now) / 1000)} more`];
      const more = group.ignoredFor === null ? [] : [`until ${count(group.ignoredFor)} more have come`];
      const how = [...until, ...more].join(" or ");
      return `ignored${how === "" ? "" : ` ${how}`}${by}`;
    }
  }
}

function renderSample(sample: ErrorSample, paint: Paint): string[] {
  const facts = [
    localTime(sample.at),
    `${sample.server.name}/${sample.source}`,
    sample.level,
    ...(sample.logger === null ? [] : [`logger ${sample.logger}`]),
    ...(sample.database === null ? [] : [`database ${sample.database}`]),
    ...(sample.thread === null ? [] : [`thread ${sample.thread}`]),
    ...(sample.release === null ? [] : [`release ${sample.release}`]),
  ];
  const show = (line: string) => `    ${harmless(line, false)}`;
  const before = sample.before.length === 0 ? [] : ["", paint("bold", "Lines before"), ...sample.before.map(show)];
  return [
    "",
    `${paint("bold", "Newest sample")}  ${paint("dim", harmless(facts.join(", "), false))}`,
    ...renderTraceback(sample, paint),
    ...before,
  ];
}
