/** What an event is about. Apart from the schemas, so that the pages need not carry those. */

/** The members of events (event.ts) that name something. */
type Named = {
  readonly type: string;
  readonly script?: string;
  readonly container?: string;
  /** what the container's lines are filed under */
  readonly source?: string;
};

/** The script that an event happened to, or what the lines of the container are filed under; null: the agent. */
export function subjectOf({ script, container, source = "" }: Named): string | null {
  return script ?? (container === undefined ? null : source);
}
