// A notice → what each kind of receiver takes: our own JSON, an alert of Alertmanager's API v2, a line of chat, a mail.
import { spanText } from './duration.ts';
import type { Notice } from './notices.ts';
import type { NoticeKind, Receiver } from './notifications.ts';

const apiVersion = 'swarm-vip/v1';

const alertNames: Record<NoticeKind, string> = {
  holder: 'SwarmVipHolderChanged',
  'no-holder': 'SwarmVipNoHolder',
  'two-holders': 'SwarmVipTwoHolders',
  problem: 'SwarmVipProblem',
  'agent-gone': 'SwarmVipAgentGone',
  drained: 'SwarmVipDrained',
};

/** An alert that happened once is over after that. */
const happenedMs = 300_000;
/** Alertmanager forgets an alert that nobody repeats. */
export const repeatMs = 60_000;
const aliveMs = 4 * repeatMs;

const iso = (ms: number): string => new Date(ms).toISOString();

/** Whether a receiver is to be told of it. What concerns no group concerns all. */
export const concernsReceiver = ({ groups, events }: Receiver, { group, kind }: Notice): boolean =>
  (groups === undefined || group === null || groups.includes(group)) &&
  (events === undefined || events.includes(kind));

export function webhookBody({ key: _, ...notice }: Notice): string {
  const { id, atMs, sinceMs, ...rest } = notice;
  const document = { apiVersion, kind: 'Notice', id, at: iso(atMs), since: iso(sinceMs) };
  const { kind: what, ...said } = rest;
  return JSON.stringify({ ...document, event: what, ...said });
}

/** Labels name the alert, so they stay the same from its beginning to its end. */
export function alertOf(
  { kind, key, phase, severity, atMs, sinceMs, group, node, summary, remedy }: Notice,
  nowMs: number,
) {
  const endsMs = phase === 'ended' ? atMs : phase === 'happened' ? atMs + happenedMs : nowMs + aliveMs;
  return {
    labels: {
      alertname: alertNames[kind],
      severity,
      ...(group === null ? {} : { group }),
      ...(node === null ? {} : { node }),
      ...(kind === 'problem'
        ? { problem: key.slice('problem '.length).replaceAll('\u0000', ' ').trim() }
        : {}),
    },
    annotations: { summary, ...(remedy === null ? {} : { description: remedy }) },
    startsAt: iso(sinceMs),
    endsAt: iso(endsMs),
  };
}

const signs = { critical: '🔴', error: '🟠', warning: '🟡', info: '🔵' } as const;
/** Slack takes these for markup; others show them as they are. */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const chatBody = (notices: readonly Notice[]): string =>
  JSON.stringify({ text: told(notices).flatMap(chatLines).map(escaped).join('\n') });

/** A notice, or several with the same words. */
interface Told {
  notice: Notice;
  /** One line, also as the subject of a mail. The word comes first: not everybody sees the colour of a sign. */
  title: string;
  groups: string[];
}

/** What concerns many groups in the same words is read once. */
function told(notices: readonly Notice[]): Told[] {
  const same = new Map<string, Notice[]>();
  for (const notice of notices) {
    const title = titleOf(notice);
    same.set(title, [...(same.get(title) ?? []), notice]);
  }
  return [...same].flatMap(([title, each]) => {
    const groups = [...new Set(each.flatMap(({ group }) => group ?? []))];
    const whose = groups.length > 1 ? ` (concerns ${groups.join(', ')})` : '';
    const [notice] = each;
    return notice ? [{ notice, title: `${title}${whose}`, groups }] : [];
  });
}

const titleOf = ({ phase, severity, summary, atMs, sinceMs }: Notice): string =>
  phase === 'ended'
    ? `OVER after ${spanText(atMs - sinceMs)}: ${summary}`
    : `${severity.toUpperCase()}: ${summary}`;

const chatLines = ({ notice, title }: Told): string[] => {
  const { phase, severity, remedy } = notice;
  const line = `${phase === 'ended' ? '🟢' : signs[severity]} ${title}`;
  return remedy === null || phase === 'ended' ? [line] : [line, `Do: ${remedy}`];
};

const bySeverity = ['critical', 'error', 'warning', 'info'] as const;
const rank = ({ notice: { phase, severity } }: Told): number =>
  phase === 'ended' ? bySeverity.length : bySeverity.indexOf(severity);

/** The worst gives the subject; the text tells all in the order in which they happened. */
export function mailOf(notices: readonly Notice[]): { subject: string; text: string } {
  const all = told(notices);
  const [worst] = [...all].sort((a, b) => rank(a) - rank(b));
  const more = all.length > 1 ? ` (and ${all.length - 1} more)` : '';
  const subject = worst ? `[swarm-vip] ${worst.title.slice(0, 150)}${more}` : '';
  const parts = all.map(({ notice: { kind, phase, atMs, sinceMs, node, remedy, id }, title, groups }) =>
    [
      title,
      '',
      `event    ${kind}, ${phase}`,
      `time     ${clock(atMs)}${phase === 'ended' ? `, began ${clock(sinceMs)}` : ''}`,
      ...(groups.length === 0 ? [] : [`group    ${groups.join(', ')}`]),
      ...(node === null ? [] : [`node     ${node}`]),
      ...(remedy === null || phase === 'ended' ? [] : [`remedy   ${remedy}`]),
      `id       ${id}`,
    ].join('\n'),
  );
  return { subject, text: `${parts.join('\n\n')}\n` };
}

/** "2026-01-02 03:04:05 UTC" */
const clock = (ms: number): string => `${iso(ms).slice(0, 19).replace('T', ' ')} UTC`;
