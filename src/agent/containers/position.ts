/**
 * How far a container's log has been read. Timestamps of one stream never go back as long as the host's clock doesn't,
 * but several messages may share one (the parts of a long line do), and the two streams are not in order with each
 * other: so each has its own place, and reading begins a little before both.
 */

/** The newest message of a stream that was taken: its time, and how many with that time. */
export type Place = { readonly at: string; readonly count: number };

export type Position = {
  /** seconds since the epoch from which on the engine is asked again */
  readonly since: number;
  readonly stdout: Place | undefined;
  readonly stderr: Place | undefined;
};

/** A stream's message may be written down so much later, in seconds, than one of the other with a later time: … */
const slackSeconds = 1;
/** … and so much, when the stream has said something within that time: a busy machine stops the engine between the two. */
const mostLateSeconds = 60;

/** The position behind the places; what is older than `pendingFrom` is taken, what is newer may be a part of a line. */
export function positionBehind(
  stdout: Place | undefined,
  stderr: Place | undefined,
  pendingFrom: string | undefined,
): Position {
  const known = [stdout, stderr].map((place) => Date.parse(place?.at ?? "")).filter((ms) => !Number.isNaN(ms));
  // what the slower stream still has to come is newer than its last message; one that is silent does not count
  const from = Math.max(Math.min(...known), Math.max(...known) - mostLateSeconds * 1000);
  const times = [from, Date.parse(pendingFrom ?? "")].filter((ms) => Number.isFinite(ms));
  const since = times.length === 0 ? 0 : Math.floor(Math.min(...times) / 1000) - slackSeconds;
  return { since: Math.max(0, since), stdout, stderr };
}

export function formatPosition({ since, stdout, stderr }: Position): string {
  return [String(since), ...[stdout, stderr].map((place) => (place ? `${place.at}/${place.count}` : "-"))].join(" ");
}

/** @returns undefined for anything that `formatPosition` does not write */
export function parsePosition(text: string): Position | undefined {
  const [since = "", stdout = "", stderr = "", ...more] = text.split(" ");
  const places = [stdout, stderr].map(parsePlace);
  if (more.length > 0 || !/^\d{1,12}$/.test(since) || places.includes(null)) return undefined;
  return { since: Number(since), stdout: places[0] ?? undefined, stderr: places[1] ?? undefined };
}

/** @returns undefined: none; null: not one */
function parsePlace(text: string): Place | undefined | null {
  if (text === "-") return undefined;
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)\/(\d{1,15})$/.exec(text);
  return match?.[1] === undefined ? null : { at: match[1], count: Number(match[2]) };
}
