/**
 * Which group an event belongs to, and why. What decides is the innermost cause: its type and the functions of the
 * application that were running; without functions its message, values masked; for a line without a type the template
 * that its source's lines have taught. Numbers of lines, addresses and whatever else changes from one build, host or
 * request to the next does not count.
 */
import type { ErrorEvent, ErrorPart, Frame } from "./event.ts";
import { firstLine, maskMessage } from "./fingerprint-message.ts";
import { remembering } from "./fingerprint-memory.ts";
import { isMinified, stableFile, stableName } from "./fingerprint-names.ts";
import { type Template, anyWord } from "./template.ts";

/** Of these rules: raised whenever they would give an event another fingerprint. */
export const fingerprintVersion = 1;

/** Functions that count, innermost first. */
const maxFrames = 30;
/** Characters of a name or text that an explanation shows. */
const maxShown = 300;

export type Reason = { readonly what: string; readonly value: string };

export type Explained = {
  readonly version: number;
  readonly method: "frames" | "message" | "template";
  readonly decided: readonly Reason[];
  readonly ignored: readonly Reason[];
};

export type Identity = {
  /** `v1:…`; of this project only */
  readonly fingerprint: string;
  /** finer: events with the same one are alike in all functions and in the message */
  readonly variant: string;
  readonly type: string | null;
  readonly value: string;
  /** the innermost function of the application */
  readonly culprit: string | null;
  /** made when somebody wants to know: once a group */
  readonly explain: () => Explained;
};

/** Gives the template of a masked message, see template.ts. */
export type Learn = (owner: string, masked: string) => Template;

/** What identifies `event` in `project`. Equal events give equal identities, whatever came before, but for templates. */
export function identify(project: string, event: ErrorEvent, learn: Learn): Identity {
  const root = rootOf(event.parts);
  const { frames, kind } = decidingFrames(event.parts, root);
  const names = distinct(frames.map(frameName));
  const masked = maskMessage(root.value === "" ? (event.lines[0] ?? "") : root.value);
  const type = root.type === null ? null : stableType(root.type);
  const method = names.length > 0 ? "frames" : type === null ? "template" : "message";
  const key = [type ?? ""];
  let template: Template | undefined;
  if (method === "frames") {
    key.push(...names);
    // a minifier's names say nothing: the message must
    if (names.every((name) => name.endsWith(minified))) key.push(masked.text);
  } else if (method === "message") key.push(masked.text);
  else {
    const owner = [project, event.source, stableName(event.logger ?? ""), event.level].join("\u0000");
    template = learn(owner, masked.text);
    key.push(template.owner, template.first);
  }
  const every = event.parts.flatMap((part) => [stableType(part.type ?? ""), ...distinct(part.frames.map(frameName))]);
  return {
    fingerprint: `v${fingerprintVersion}:${digest([String(fingerprintVersion), project, method, ...key])}`,
    variant: digest([masked.text, ...every]),
    type: root.type,
    value: firstLine(root.value === "" ? (event.lines[0] ?? "") : root.value),
    culprit: names[0] ?? null,
    explain: () => explain({ event, root, names, kind, method, type, masked, template }),
  };
}

/** Of the group for what has no room for a group of its own. */
export function identifyRest(project: string, kind: string, room: number): Identity {
  const value = `(more different ones than the ${room} that are told apart)`;
  const decided = [{ what: "there was no room", value: `the project has ${room} groups already` }];
  return {
    fingerprint: `v${fingerprintVersion}:${digest([String(fingerprintVersion), project, "rest", kind])}`,
    variant: "",
    type: null,
    value,
    culprit: null,
    explain: () => ({ version: fingerprintVersion, method: "message", decided, ignored: [] }),
  };
}

/** The error that began it all: the end of the chain of causes, or the first of several that were reported together. */
export function rootOf(parts: readonly ErrorPart[]): ErrorPart {
  const chain = parts.findLast(({ relation }) => relation === "cause" || relation === "context");
  const member = parts.find(({ relation }) => relation === "member");
  return chain ?? member ?? parts[0] ?? { type: null, value: "", frames: [], relation: null };
}

type Deciding = { readonly frames: readonly Frame[]; readonly kind: "application" | "library" | "none" };

/** The application's functions of the root, else of what it led to; without any, all functions of the root. */
function decidingFrames(parts: readonly ErrorPart[], root: ErrorPart): Deciding {
  const at = parts.indexOf(root);
  for (const part of [root, ...parts.slice(0, Math.max(0, at)).toReversed()]) {
    const own = part.frames.filter(({ inApplication }) => inApplication);
    if (own.length > 0) return { frames: own, kind: "application" };
  }
  if (root.frames.length > 0) return { frames: root.frames, kind: "library" };
  return { frames: [], kind: "none" };
}

/** Of the group that `split` makes of a variant: the same whenever it is made. */
export function fingerprintOfSplit(project: string, fingerprint: string, variant: string): string {
  return `v${fingerprintVersion}:${digest([String(fingerprintVersion), project, "split", fingerprint, variant])}`;
}

const minified = "(minified)";

/** `module.function`, or what stands for a frame that has no lasting name. */
function frameName(frame: Frame): string {
  const file = frame.file === null ? "" : stableFile(frame.file);
  if (isMinified(frame)) return `${file} ${minified}`.trim();
  // a module that is called like its file says less than the file, whose folder tells two of them apart
  const module = frame.module === null || file.includes(`/${frame.module}.`) ? file : stableName(frame.module);
  const name = stableName(frame.function ?? "") || "(anonymous)";
  return module === "" || name.startsWith(`${module}.`) ? name : `${module} ${name}`;
}

/** Each once, in order: how deep a recursion went says nothing. */
function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)].slice(0, maxFrames);
}

const stableType = (type: string): string => stableName(type);

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

const digest = (parts: readonly string[]): string => hash(parts.join("\u0001"));

/** 100 bits of SHA-256 in base32 (RFC 4648, lower case). */
const hash = remembering((whole) => {
  const bytes = new Bun.CryptoHasher("sha256").update(whole).digest();
  let text = "";
  for (let bit = 0; text.length < 20; bit += 5) {
    const at = bit >> 3;
    const pair = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    text += alphabet[(pair >> (11 - (bit & 7))) & 31] ?? "";
  }
  return text;
});

type Findings = {
  readonly event: ErrorEvent;
  readonly root: ErrorPart;
  readonly names: readonly string[];
  readonly kind: Deciding["kind"];
  readonly method: Explained["method"];
  readonly type: string | null;
  readonly masked: ReturnType<typeof maskMessage>;
  readonly template: Template | undefined;
};

function explain({ event, root, names, kind, method, type, masked, template }: Findings): Explained {
  const decided: Reason[] = [];
  const ignored: Reason[] = [];
  const add = (list: Reason[], what: string, value: string) =>
    void list.push({ what, value: value.length > maxShown ? `${value.slice(0, maxShown)}…` : value });

  if (type !== null) add(decided, event.parts.length > 1 ? "type of the innermost cause" : "type", type);
  if (method === "frames") {
    const what = kind === "application" ? "function of the application" : "function";
    for (const name of names) add(decided, what, name);
    if (names.every((name) => name.endsWith(minified))) add(decided, "message", masked.text);
    else add(ignored, "message", masked.text);
  } else if (method === "message") add(decided, "message", masked.text);
  else {
    add(decided, "source", event.source);
    if (event.logger !== null) add(decided, "logger", stableName(event.logger));
    add(decided, "level", event.level);
    add(
      decided,
      "template",
      template?.words?.join(" ") ?? `${anyWord} (more templates than are learned of one source)`,
    );
  }
  if (masked.kinds.size > 0) add(ignored, "values in the message", [...masked.kinds].join(", "));
  const frames = event.parts.flatMap((part) => part.frames);
  if (frames.some(({ line }) => line !== null)) add(ignored, "line and column numbers", String(frames.length));
  const library = root.frames.filter(({ inApplication }) => !inApplication).length;
  if (kind === "application" && library > 0) add(ignored, "functions of libraries", String(library));
  if (kind === "library") add(ignored, "functions of the application", "there are none in this traceback");
  const outer = event.parts.filter((part) => part !== root).map((part) => part.type ?? "(no type)");
  if (outer.length > 0) add(ignored, "errors around the innermost cause", outer.join(", "));
  return { version: fingerprintVersion, method, decided, ignored };
}
