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
  /** The longest time in which somebody asked and nobody answered, the edges of the measurement included. */
  readonly longestGap: Gap & { readonly ms: number };
  /** The longest time between two answers: when the prober itself stood still, too. */
  readonly longestLullMs: number;
  /** Every gap longer than ten intervals and 10 ms, for the story of a run. */
  readonly gaps: readonly Gap[];
  readonly answeredBy: readonly Answered[];
}

export interface ProbeTally {
  add(echo: Echo): void;
  /** Probes on the wire that may still be answered in time. */
  pending(): number;
  /**
   * @param endUs when the probing ended: from the last answer until then nobody answered
   * @param sent what the prober counted, which includes probes that never reached the wire for want of a neighbour
   */
  result(endUs: number, sent?: number): Tally;
}

const ANSWER_WITHIN_US = 1_000_000;
const MAX_STORIES = 1_000;
/** A prober that needs longer than this for its first packet is waiting for a neighbour, not for its own start. */
const PROBER_START_US = 100_000;

/** @param startUs when the probing began, microseconds since 1970 */
export function createTally(intervalMs: number, startUs: number): ProbeTally {
  const notableUs = Math.max(10 * intervalMs, 10) * 1000;
  const waiting = new Map<number, number>();
  const gaps: Gap[] = [];
  const answeredBy: Answered[] = [];
  let seen = 0;
  let received = 0;
  let lastSequence: number | undefined;
  let lastAnswerUs: number | undefined;
  let beginUs = startUs;
  let longest: Gap = { fromMs: 0, toMs: 0 };
  let lull: Gap = longest;
  /** Since when a probe has been without its answer; undefined while every one has it. */
  let askedUs: number | undefined;
  let lastRequestUs = startUs;

  const unanswered = (untilUs: number, unsendable = false): Gap => {
    if (lastAnswerUs === undefined) return gapBetween(beginUs, untilUs);
    const fromUs = unsendable ? lastAnswerUs : (askedUs ?? untilUs);
    return gapBetween(Math.max(lastAnswerUs, fromUs), untilUs);
  };

  const onRequest = ({ sequence, atUs }: Echo) => {
    // Sequence numbers are 16 bits. A hole is a probe that the kernel could not even send.
    const step = lastSequence === undefined ? 1 : (sequence - lastSequence) & 0xffff;
    if (step === 0) return;
    seen += step;
    // The prober itself takes some milliseconds to start: not the address's fault.
    if (lastSequence === undefined && atUs - startUs < PROBER_START_US) beginUs = atUs;
    lastSequence = sequence;
    // A prober that did not get its turn asked nothing. One that could not send did ask.
    askedUs ??= step > 1 ? lastRequestUs : atUs - intervalMs * 1000;
    lastRequestUs = atUs;
    for (const [old, since] of waiting) {
      if (atUs - since <= ANSWER_WITHIN_US) break;
      waiting.delete(old);
    }
    waiting.set(sequence, atUs);
  };

  const onReply = ({ sequence, atUs, mac }: Echo) => {
    const since = waiting.get(sequence);
    // A duplicate, or later than its second: lost.
    if (since === undefined || atUs - since > ANSWER_WITHIN_US) return;
    waiting.delete(sequence);
    received++;
    const gap = unanswered(atUs);
    longest = longer(longest, gap);
    lull = longer(lull, gapBetween(lastAnswerUs ?? beginUs, atUs));
    if (lengthOf(gap) * 1000 > notableUs && gaps.length < MAX_STORIES) gaps.push(gap);
    lastAnswerUs = atUs;
    const [oldestUs] = waiting.values();
    askedUs = oldestUs === undefined ? undefined : oldestUs - intervalMs * 1000;
    const last = answeredBy.at(-1);
    if (last?.mac === mac)
      answeredBy[answeredBy.length - 1] = { ...last, toMs: atUs / 1000, count: last.count + 1 };
    else if (answeredBy.length < MAX_STORIES)
      answeredBy.push({ mac, fromMs: atUs / 1000, toMs: atUs / 1000, count: 1 });
  };

  return {
    add: (echo) => (echo.kind === 'request' ? onRequest(echo) : onReply(echo)),
    pending: () => waiting.size,
    result: (endUs, sent = seen) => {
      const open = unanswered(endUs, sent > seen);
      const worst = longer(longest, open);
      return {
        // The last answer may overtake the prober's own count.
        sent: Math.max(sent, received),
        received,
        lost: Math.max(0, sent - received),
        longestGap: { ...worst, ms: lengthOf(worst) },
        longestLullMs: lengthOf(longer(lull, gapBetween(lastAnswerUs ?? beginUs, endUs))),
        gaps: lengthOf(open) * 1000 > notableUs ? [...gaps, open] : [...gaps],
        answeredBy: [...answeredBy],
      };
    },
  };
}

const gapBetween = (fromUs: number, toUs: number): Gap => ({ fromMs: fromUs / 1000, toMs: toUs / 1000 });
const lengthOf = (gap: Gap): number => gap.toMs - gap.fromMs;
const longer = (a: Gap, b: Gap): Gap => (lengthOf(b) > lengthOf(a) ? b : a);
