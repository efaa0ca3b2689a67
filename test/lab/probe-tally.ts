// Pure bookkeeping of one stream of probes: what was lost, how long nobody answered, who answered when.
import type { Echo } from './pcap.ts';

/** A run of answers from one network card. */
export interface Answered {
  readonly mac: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface Gap {
  /** The last answer before and the first one after. Milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Tally {
  readonly sent: number;
  readonly received: number;
  /** Sent and not answered within a second, or not even sendable for want of a neighbour. */
  readonly lost: number;
  /** The longest time between two consecutive answers, the edges of the measurement included. */
  readonly longestGap: Gap & { readonly ms: number };
  /** Every gap longer than ten intervals and 10 ms, for the story of a run. */
  readonly gaps: readonly Gap[];
  readonly answeredBy: readonly Answered[];
}

export interface ProbeTally {
  add(echo: Echo): void;
  /** Probes on the wire whose second has not passed. */
  pending(): number;
  result(): Tally;
}

const ANSWER_WITHIN_US = 1_000_000;
const MAX_STORIES = 1_000;

export function createTally(intervalMs: number): ProbeTally {
  const notableUs = Math.max(10 * intervalMs, 10) * 1000;
  const waiting = new Map<number, number>();
  const gaps: Gap[] = [];
  const answeredBy: Answered[] = [];
  let sent = 0;
  let received = 0;
  let lost = 0;
  let lastSequence: number | undefined;
  let firstSentUs = 0;
  let lastSentUs = 0;
  let lastAnswerUs: number | undefined;
  let longest: Gap & { ms: number } = { fromMs: 0, toMs: 0, ms: 0 };

  const note = (fromUs: number, toUs: number) => {
    const gap = { fromMs: fromUs / 1000, toMs: toUs / 1000 };
    const ms = (toUs - fromUs) / 1000;
    if (ms > longest.ms) longest = { ...gap, ms };
    if (toUs - fromUs > notableUs && gaps.length < MAX_STORIES) gaps.push(gap);
  };

  const onRequest = ({ sequence, atUs }: Echo) => {
    // Sequence numbers are 16 bits. A hole is a probe that the kernel could not even send.
    const step = lastSequence === undefined ? 1 : (sequence - lastSequence) & 0xffff;
    if (step === 0) return;
    sent += step;
    lost += step - 1;
    if (lastSequence === undefined) firstSentUs = atUs;
    lastSequence = sequence;
    lastSentUs = atUs;
    for (const [old, since] of waiting) {
      if (atUs - since <= ANSWER_WITHIN_US) break;
      waiting.delete(old);
      lost++;
    }
    waiting.set(sequence, atUs);
  };

  const onReply = ({ sequence, atUs, mac }: Echo) => {
    const since = waiting.get(sequence);
    // A duplicate, or later than its second: counted as lost already.
    if (since === undefined || atUs - since > ANSWER_WITHIN_US) return;
    waiting.delete(sequence);
    received++;
    note(lastAnswerUs ?? firstSentUs, atUs);
    lastAnswerUs = atUs;
    const last = answeredBy.at(-1);
    if (last?.mac === mac)
      answeredBy[answeredBy.length - 1] = { ...last, toMs: atUs / 1000, count: last.count + 1 };
    else if (answeredBy.length < MAX_STORIES)
      answeredBy.push({ mac, fromMs: atUs / 1000, toMs: atUs / 1000, count: 1 });
  };

  return {
    add: (echo) => (echo.kind === 'request' ? onRequest(echo) : onReply(echo)),
    pending: () => waiting.size,
    result: () => {
      const open = { ...longest, gaps: [...gaps] };
      const edgeFromUs = lastAnswerUs ?? firstSentUs;
      const edgeMs = (lastSentUs - edgeFromUs) / 1000;
      const edge = { fromMs: edgeFromUs / 1000, toMs: lastSentUs / 1000 };
      if (edgeMs * 1000 > notableUs) open.gaps.push(edge);
      const worst = edgeMs > longest.ms ? { ...edge, ms: edgeMs } : longest;
      return {
        sent,
        received,
        lost: lost + waiting.size,
        longestGap: worst,
        gaps: open.gaps,
        answeredBy: [...answeredBy],
      };
    },
  };
}
