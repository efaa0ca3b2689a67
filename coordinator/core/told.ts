// Who has been told what, in one label of the node of the active coordinator: a new active one goes on where the former
// stopped. Of each receiver and condition the last word counts; the oldest are forgotten.
import { hash, type Notice } from './notices.ts';

export const toldLabel = 'swarm-vip.notified';

interface Word {
  /** `since`: the receiver is there since then, and nothing that happened before is told it. */
  phase: Notice['phase'] | 'since';
  atMs: number;
}
/** By receiver and what it was told. */
export type Told = ReadonlyMap<string, Word>;

/** About 18 characters each. */
const mostTold = 80;
const letters = { happened: 'h', began: 'b', ended: 'e', since: 's' } as const;
const phases = { h: 'happened', b: 'began', e: 'ended', s: 'since' } as const;
const entry = /^([0-9a-z]{1,7})-([hbes])([0-9a-z]{1,9})$/;

const place = (receiver: string, key: string): string => hash(`${receiver} ${key}`);
const whole = (receiver: string): string => place(receiver, '*');

/** Whatever is no entry of ours is passed over. */
export function readTold(texts: readonly string[]): Told {
  const told = new Map<string, Word>();
  for (const text of texts.flatMap((each) => each.split(','))) {
    const [, where = '', letter = '', at = ''] = entry.exec(text) ?? [];
    if (where === '') continue;
    const word = { phase: phases[letter as keyof typeof phases], atMs: Number.parseInt(at, 36) };
    if (word.atMs > (told.get(where)?.atMs ?? -1)) told.set(where, word);
  }
  return bounded(told);
}

export const toldText = (told: Told): string =>
  [...told].map(([where, { phase, atMs }]) => `${where}-${letters[phase]}${atMs.toString(36)}`).join();

export function tell(told: Told, receiver: string, { key, phase, atMs }: Notice): Told {
  return bounded(new Map([...told, [place(receiver, key), { phase, atMs: Math.round(atMs) }]]));
}

/** From when on the receiver is told what happens, unless that is known. */
export function welcome(told: Told, receiver: string, nowMs: number): Told {
  if (told.has(whole(receiver))) return told;
  return bounded(new Map([...told, [whole(receiver), { phase: 'since', atMs: nowMs }]]));
}

/** What is forgotten must not be told again: every receiver then counts as one that is there since. */
function bounded(told: Told): Told {
  if (told.size <= mostTold) return told;
  const since = [...told].filter(([, { phase }]) => phase === 'since').slice(-mostTold / 2);
  const others = [...told]
    .filter(([, { phase }]) => phase !== 'since')
    .sort(([, a], [, b]) => b.atMs - a.atMs);
  const kept = others.slice(0, mostTold - since.length);
  const forgotten = others
    .slice(kept.length)
    .flatMap(([, { phase, atMs }]) => (phase === 'happened' ? [atMs] : []));
  const sinceMs = Math.max(0, ...forgotten.map((atMs) => atMs + 1));
  return new Map([
    ...since.map(([where, word]) => [where, { ...word, atMs: Math.max(word.atMs, sinceMs) }] as const),
    ...kept,
  ]);
}

/** Whether the last word that the receiver has heard of a condition is that it began. */
export const awaitsEnd = (told: Told, receiver: string, key: string): boolean =>
  told.get(place(receiver, key))?.phase === 'began';

/** Whether the receiver knows of it, or is younger than it. */
export function knows(told: Told, receiver: string, { key, phase, atMs }: Notice): boolean {
  const last = told.get(place(receiver, key));
  if (last) return last.phase === phase || atMs <= last.atMs;
  return phase === 'happened' && atMs < (told.get(whole(receiver))?.atMs ?? 0);
}
