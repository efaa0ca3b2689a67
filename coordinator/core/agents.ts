// What the coordinator remembers of each agent. Updated by hello, report and disconnect; read by plan and status.
import type { Hello, Report } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';
import { quietLimitMs } from './peers.ts';

export interface AgentRecord {
  connected: boolean;
  hello: Hello;
  report: Report | undefined;
  /** Unix ms of the last frame. */
  seenMs: number;
  /** By group: when this agent was first and last heard to be MASTER without a break. */
  claims: ReadonlyMap<string, Claim>;
  /** By group: when it last had to step down because others do not hear it. */
  unheard?: ReadonlyMap<string, Unheard>;
  /** How far its clock was ahead of the coordinator's when it connected. */
  clockAheadMs?: number;
}

export interface Claim {
  firstMs: number;
  lastMs: number;
  /** Of an earlier connection: whether it held all the time since is not known. */
  former?: true;
  /** When another one was told to step down for it (two-holders.ts). */
  upheldMs?: number;
}

export interface Unheard {
  /** The beginning of the claim that ended so. */
  claimMs: number;
  sinceMs: number;
  /** It had come back after the last time. */
  again: boolean;
}

export type AgentRecords = ReadonlyMap<NodeId, AgentRecord>;

export function greeted(previous: AgentRecord | undefined, hello: Hello, nowMs: number): AgentRecord {
  return {
    connected: true,
    hello,
    report: previous?.report,
    seenMs: nowMs,
    claims: new Map(
      [...(previous?.claims ?? [])].map(([group, claim]) => [group, { ...claim, former: true }]),
    ),
    ...(previous?.unheard ? { unheard: previous.unheard } : {}),
    ...(hello.clockMs === undefined ? {} : { clockAheadMs: hello.clockMs - nowMs }),
  };
}

export function reported(previous: AgentRecord, report: Report, nowMs: number): AgentRecord {
  const claims = new Map<string, Claim>();
  // What comes after a silence may have been on its way all the time, while its sender died.
  const brokeOff = nowMs - previous.seenMs >= quietLimitMs;
  for (const { group, state } of [...report.instances, ...(report.observed ?? [])]) {
    if (state !== 'MASTER') continue;
    const { former, firstMs = nowMs, ...known } = previous.claims.get(group) ?? {};
    claims.set(group, { ...known, firstMs: former || brokeOff ? nowMs : firstMs, lastMs: nowMs });
  }
  return { ...previous, report, seenMs: nowMs, claims };
}

/** Another one was told to step down for it. What is known of that for `rememberMs` is not renewed. */
export function upheld(record: AgentRecord, group: string, nowMs: number, rememberMs: number): AgentRecord {
  const claim = record.claims.get(group);
  if (!claim || nowMs - (claim.upheldMs ?? Number.NEGATIVE_INFINITY) < rememberMs) return record;
  return { ...record, claims: new Map(record.claims).set(group, { ...claim, upheldMs: nowMs }) };
}

/** It is told to step down because others do not hear it; once for each claim. */
export function sunk(record: AgentRecord, group: string, nowMs: number, rememberMs: number): AgentRecord {
  const claim = record.claims.get(group);
  const known = record.unheard?.get(group);
  if (!claim || known?.claimMs === claim.firstMs) return record;
  const again = known !== undefined && nowMs - known.sinceMs < rememberMs;
  const unheard = { claimMs: claim.firstMs, sinceMs: nowMs, again };
  return { ...record, unheard: new Map(record.unheard).set(group, unheard) };
}

/** Checks tell their age with each report; what follows from them is in states and pauses. */
export function plansAlike(before: Report | undefined, after: Report): boolean {
  const planned = (report: Report) =>
    JSON.stringify({ ...report, instances: report.instances.map(({ checks: _, ...instance }) => instance) });
  return before !== undefined && planned(before) === planned(after);
}

/**
 * Who holds a group. A node that died as MASTER has claimed it last before its successor's first claim, so it does not
 * count; of two that go on claiming, both do. Freshest first.
 */
export function holdersOf(agents: AgentRecords, group: string): NodeId[] {
  const claims = [...agents].flatMap(([node, { claims }]) => {
    const claim = claims.get(group);
    return claim ? [{ node, ...claim }] : [];
  });
  const newest = Math.max(...claims.map(({ firstMs }) => firstMs));
  return claims
    .filter(({ firstMs, lastMs }) => firstMs === newest || lastMs > newest + overlapMs)
    .sort((a, b) => b.firstMs - a.firstMs)
    .map(({ node }) => node);
}

/** A report on its way while another node takes over is no second holder. */
const overlapMs = 500;
