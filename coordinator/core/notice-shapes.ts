// A notice → what each kind of receiver takes: our own JSON, an alert of Alertmanager's API v2, a line of chat, a mail.
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
  JSON.stringify({ text: notices.map((each) => escaped(`${signOf(each)} ${title(each)}`)).join('\n') });

const signOf = ({ phase, severity }: Notice): string => (phase === 'ended' ? '🟢' : signs[severity]);

/** One line, also as the subject of a mail. */
export const title = ({ phase, summary }: Notice): string =>
  phase === 'ended' ? `over: ${summary}` : summary;

export function mailOf(notices: readonly Notice[]): { subject: string; text: string } {
  const [first] = notices;
  const more = notices.length > 1 ? ` (and ${notices.length - 1} more)` : '';
  const subject = first ? `[swarm-vip] ${first.severity}: ${title(first).slice(0, 150)}${more}` : '';
  const parts = notices.map((each) =>
    [
      title(each),
      '',
      `event    ${each.kind}, ${each.phase}, ${each.severity}`,
      `time     ${iso(each.atMs)}${each.phase === 'ended' ? `, since ${iso(each.sinceMs)}` : ''}`,
      ...(each.group === null ? [] : [`group    ${each.group}`]),
      ...(each.node === null ? [] : [`node     ${each.node}`]),
      ...(each.remedy === null ? [] : [`remedy   ${each.remedy}`]),
      `id       ${each.id}`,
    ].join('\n'),
  );
  return { subject, text: `${parts.join('\n\n')}\n` };
}
