/** A chart for who can't see it: each line's newest, lowest, middle and highest value, as a table. */
import { useMemo } from "preact/hooks";

import { fullTime } from "../format.ts";
import type { Line, Plot } from "./plot.ts";

export function Summary({ title, plot }: { readonly title: string; readonly plot: Plot }) {
  return useMemo(() => {
    const { from, to, lines, unit } = plot;
    const moment = (seconds: number) => fullTime(new Date(seconds * 1000).toISOString());
    return (
      <div class="unseen">
        <table>
          <caption>
            {title}, from {moment(from)} to {moment(to)}
          </caption>
          <thead>
            <tr>
              {["Line", "Newest", "Lowest", "Mean", "Highest"].map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => {
              const sums = sumsOf(line);
              return (
                <tr key={line.name}>
                  <th scope="row">{line.name}</th>
                  {sums === undefined ? (
                    <td colSpan={4}>no figures</td>
                  ) : (
                    sums.map((value, i) => <td key={i}>{unit.say(value)}</td>)
                  )}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    );
  }, [title, plot]);
}

/** Newest, lowest, mean, highest; undefined: nothing is known. */
export function sumsOf({ values, spread }: Line): readonly [number, number, number, number] | undefined {
  let [count, sum, newest] = [0, 0, 0];
  let [lowest, highest] = [Infinity, -Infinity];
  values.forEach((value, i) => {
    if (value === null) return;
    count++;
    sum += value;
    newest = value;
    lowest = Math.min(lowest, spread?.min[i] ?? value);
    highest = Math.max(highest, spread?.max[i] ?? value);
  });
  return count === 0 ? undefined : [newest, lowest, sum / count, highest];
}
