/** One error group: what fails where, why its events are one, what surrounded it, and what is decided about it. */
import { useEffect } from "preact/hooks";

import type { ErrorDetail, ErrorGroup } from "#src/protocol/error-group.ts";
import { plainText } from "../ansi.ts";
import { address } from "../client.ts";
import { followErrors } from "../errors-feed.ts";
import { now } from "../live.ts";
import { useLoad } from "../loading.ts";
import { Notice } from "../parts/notice.tsx";
import { Page, Ready, Section } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { navigate } from "../router.ts";
import { useSession } from "../session.ts";
import { Decisions } from "./errors/actions.tsx";
import { History } from "./errors/history.tsx";
import { Activity, Crashes, Shares } from "./errors/origins.tsx";
import { Marks } from "./errors/row.tsx";
import { Samples } from "./errors/samples.tsx";
import { Why } from "./errors/why.tsx";
import { counted, decisionText, many, titleOf } from "./errors/words.ts";

/** A group that changes all the time is read again this often, in milliseconds. */
const againMs = 2000;

const placeOf = (fingerprint: string) => address("/errors/:fingerprint", { fingerprint });

export function ErrorPage({ fingerprint, sample }: { readonly fingerprint: string; readonly sample: string }) {
  const { manages } = useSession();
  const loaded = useLoad<ErrorDetail>(address("/api/errors/:fingerprint", { fingerprint }));
  const above = <a href="/errors">Errors</a>;
  const detail = loaded.data;

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (afterMs: number) => {
      timer ??= setTimeout(() => {
        timer = undefined;
        loaded.reload();
      }, afterMs);
    };
    const stop = followErrors({
      onGroup: ({ group }) => {
        if (group.fingerprint === fingerprint) again(againMs);
      },
      onGone: ({ fingerprint: gone, mergedInto }) => {
        if (gone !== fingerprint) return;
        if (mergedInto === null) again(0);
        else navigate(placeOf(mergedInto), { replace: true });
      },
      onAgain: () => again(0),
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [fingerprint]);

  // a fingerprint that was merged leads to the group that it is part of
  useEffect(() => {
    if (detail !== undefined && detail.fingerprint !== fingerprint) {
      navigate(placeOf(detail.fingerprint), { replace: true, keepScroll: true });
    }
  }, [detail?.fingerprint]);

  function follow(group: ErrorGroup): void {
    // at once: what was decided is not offered again while the page is read
    if (group.fingerprint === fingerprint) loaded.change((before) => ({ ...before, ...group }));
    else navigate(placeOf(group.fingerprint));
  }

  if (loaded.missing) {
    return (
      <Page title="There is no such error" above={above}>
        <p class="text">It may have been forgotten after months without an event, or belong to another organization.</p>
      </Page>
    );
  }
  return (
    <Page
      title={detail === undefined ? "Error" : plainText(detail.type ?? titleOf(detail))}
      above={above}
      wide
      tools={detail !== undefined && manages && <Decisions detail={detail} onDecided={follow} />}
    >
      <Ready from={loaded}>
        {(known) => (
          <>
            <Summary detail={known} />
            <div class="error-columns">
              <div class="main">
                <Samples
                  key={known.fingerprint}
                  detail={known}
                  wanted={sample}
                  onSplit={(group) => navigate(placeOf(group.fingerprint))}
                />
              </div>
              <div class="aside">
                <Section title="When">
                  <div class="panel">
                    <History detail={known} nowMs={now.value} />
                  </div>
                </Section>
                <Section title="Where">
                  <div class="panel stack">
                    <Shares title="Servers" shares={known.byServer} filter="server" />
                    <Shares title="Sources" shares={known.bySource} filter="source" />
                    <Shares title="Releases" shares={known.byRelease} filter="release" />
                  </div>
                </Section>
                <Section title="What happened">
                  <div class="panel stack">
                    <Crashes detail={known} />
                    <Activity detail={known} />
                  </div>
                </Section>
                <Section title="Why grouped">
                  <div class="panel">
                    <Why detail={known} />
                  </div>
                </Section>
              </div>
            </div>
          </>
        )}
      </Ready>
    </Page>
  );
}

/** What it says, and how it stands. */
function Summary({ detail }: { readonly detail: ErrorDetail }) {
  const { type, value, culprit, count, firstSeen, lastSeen, regressedAt, state } = detail;
  const decided = decisionText(detail, now.value);
  return (
    <div class="error-summary">
      {type !== null && value !== "" && <p class="value">{plainText(value)}</p>}
      <p class="note">
        <Marks group={detail} showState />
        {culprit !== null && <bdi class="culprit">{plainText(culprit)}</bdi>}
        <span title={counted(count, "event")}>
          {many(count)} {count === 1 ? "event" : "events"}
        </span>
        <span>
          last <Time at={lastSeen} />
        </span>
        <span>
          first <Time at={firstSeen} />
        </span>
      </p>
      {state === "unresolved" && regressedAt !== null && (
        <Notice tone="bad">
          It was resolved{detail.resolvedIn === null ? "" : ` in ${detail.resolvedIn}`}
          {detail.decidedBy === null ? "" : ` by ${detail.decidedBy}`}, and came back <Time at={regressedAt} />: a
          regression.
        </Notice>
      )}
      {decided !== "" && (
        <Notice tone="quiet">
          {`${decided.charAt(0).toUpperCase()}${decided.slice(1)}`}
          {detail.decidedAt !== null && (
            <>
              , <Time at={detail.decidedAt} />
            </>
          )}
          .
        </Notice>
      )}
    </div>
  );
}
