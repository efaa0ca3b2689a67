// What the agent knows → Prometheus text: the series of the best-known keepalived exporter, and ours beside them.
import { Counter, Gauge, Registry } from 'prom-client';
import type { Report, RunningInstance } from '../../shared/protocol.ts';
import type { LeaseStats } from '../core/lease.ts';
import type { LinkStatus } from './coordinator-link.ts';
import type { Dump } from './dump.ts';
import { exporterSeries } from './metrics-exporter.ts';
import { ownSeries } from './metrics-own.ts';

export interface MetricsInput {
  readonly report: Report;
  /** What keepalived runs, or is to run once it lives again: a crash ends no series. */
  readonly instances: readonly RunningInstance[];
  readonly up: boolean;
  /** The last one, also of a keepalived that has died since; empty before the first. */
  readonly dump: Dump;
  readonly links: ReadonlyMap<string, LinkStatus>;
  readonly fifo: { readonly unknownLines: number; readonly lowerMasters: number };
  readonly holding: { readonly swept: number; readonly repaired: number };
  readonly reloads: { readonly applied: number; readonly failed: number; readonly rejected: number };
  /** Told to hold nothing: a drain, or a step down. */
  readonly standsAside: (group: string) => boolean;
  /** A check runs right now. */
  readonly checking: (group: string, check: string) => boolean;
  /** Null: no leases. */
  readonly leaseSeconds: number | null;
  /** Undefined without leases. */
  readonly leases: LeaseStats | undefined;
  /** A VRRP daemon on this host that is not ours. */
  readonly foreign: boolean;
  readonly agentVersion: string;
  readonly keepalivedVersion: string;
}

export type Labels = Readonly<Record<string, string | number>>;
/** One family: every value with its labels. */
export type Family = (name: string, help: string, values: readonly (readonly [Labels, number])[]) => void;
export interface Families {
  readonly gauge: Family;
  readonly counter: Family;
}

/** A fresh registry for each scrape: a series of a removed group ends at once. */
export function renderMetrics(input: MetricsInput): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  const namesOf = (values: readonly (readonly [Labels, number])[]) => Object.keys(values[0]?.[0] ?? {});
  const families: Families = {
    gauge(name, help, values) {
      const family = new Gauge({ name, help, labelNames: namesOf(values), registers });
      for (const [labels, value] of values) family.set({ ...labels }, value);
    },
    counter(name, help, values) {
      const family = new Counter({ name, help, labelNames: namesOf(values), registers });
      for (const [labels, value] of values) family.inc({ ...labels }, value);
    },
  };
  exporterSeries(input, families);
  ownSeries(input, families);
  return registry.metrics();
}
