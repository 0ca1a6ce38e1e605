/** What is left of a server, going by its last week. */
import type { ComponentChildren } from "preact";

import { bytes, duration } from "../../format.ts";
import { Section } from "../../parts/page.tsx";
import type { Left, Week } from "./week.ts";

/** What runs already and would fit again: so many are named. */
const mostFits = 6;
/** Days: a disk that is full sooner is a worry, or worth a look. */
const [soonDays, worthDays] = [7, 30];

/** `week` is undefined while it is not here yet. */
export function Capacity({ week }: { readonly week: Week | undefined }) {
  return (
    <Section title="Capacity left">
      <div class="panel capacity" aria-busy={week === undefined}>
        {week === undefined ? (
          <p class="faint">Looking at the last week…</p>
        ) : week.days === 0 ? (
          <p class="faint">Nothing was measured in the last week.</p>
        ) : (
          <Known week={week} />
        )}
      </div>
    </Section>
  );
}

const cores = (value: number) => `${Number(value.toFixed(1))} ${value === 1 ? "core" : "cores"}`;

/** `peak 5.4 of 8 cores`: the unit once, when it is the same. */
function ofTotal(part: string, whole: string): string {
  const unit = whole.slice(whole.indexOf(" "));
  return `${part.endsWith(unit) ? part.slice(0, -unit.length) : part} of ${whole}`;
}

function Known({ week }: { readonly week: Week }) {
  const { cpu, memory, disk, diskGrowth, diskDays, fits, days } = week;
  const shown = fits.filter(({ times }) => times > 0).slice(0, mostFits);
  return (
    <>
      <ul class="gauges">
        <Gauge label="CPU" left={cpu} write={cores} />
        <Gauge label="Memory" left={memory} write={bytes} />
        <Gauge label="Disk" left={disk} write={bytes} />
      </ul>
      <dl class="facts">
        <dt>Disk</dt>
        <dd>
          <DiskTrend growth={diskGrowth} days={diskDays} />
        </dd>
        <dt>Would fit again</dt>
        <dd>
          {fits.length === 0 ? (
            <span class="faint">nothing runs here that could be counted</span>
          ) : shown.length === 0 ? (
            "none of what runs here"
          ) : (
            <ul class="fits">
              {shown.map(({ name, times, scarce }) => (
                <li key={name} title={`${scarce} is what runs out first`}>
                  {name} <b>×{times > 99 ? "99+" : times}</b>
                </li>
              ))}
            </ul>
          )}
        </dd>
      </dl>
      <p class="basis">
        From the last {days >= 6.9 ? "7 days" : duration(days * 86_400)}: the half hour that took most CPU, the most
        memory and disk at any time; the disk's trend is the median of its growth.
      </p>
    </>
  );
}

function Gauge({
  label,
  left,
  write,
}: {
  readonly label: string;
  readonly left: Left | null;
  readonly write: (value: number) => string;
}) {
  const share = left === null || left.total === 0 ? null : Math.min(1, left.peak / left.total);
  const level = share === null ? "" : share >= 0.95 ? "bad" : share >= 0.8 ? "warn" : "";
  return (
    <li>
      <span class="label">{label}</span>
      <b>{left === null ? "–" : write(Math.max(0, left.total - left.peak))}</b>
      <span class="note">
        {left === null ? "not measured" : `peak ${ofTotal(write(left.peak), write(left.total))}`}
      </span>
      <span class={`track ${level}`} aria-hidden="true">
        <span style={{ width: `${(share ?? 0) * 100}%` }} />
      </span>
    </li>
  );
}

function DiskTrend({
  growth,
  days,
}: {
  readonly growth: number | null;
  readonly days: number | null;
}): ComponentChildren {
  if (growth === null) return <span class="faint">no trend yet: it takes half a day of figures</span>;
  if (days === null) return growth < 0 ? `shrinks by ${bytes(-growth)} a day` : "does not grow";
  const tone = days < soonDays ? "bad" : days < worthDays ? "warn" : "";
  const until = days < 1 ? "within a day" : `in ${Math.round(days)} ${Math.round(days) === 1 ? "day" : "days"}`;
  return (
    <>
      <b class={tone}>full {until}</b>, growing by {bytes(growth)} a day
    </>
  );
}
