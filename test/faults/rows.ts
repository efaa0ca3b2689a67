// The table of faults: what happens to the Swarm, and for how long clients may find no holder or two.
import { clockRow } from './clock-row.ts';
import { networkRows } from './network-rows.ts';
import { processRows } from './process-rows.ts';
import type { Row } from './row.ts';
import { serviceRows } from './service-rows.ts';
import { storeRows } from './store-rows.ts';
import { swarmRows } from './swarm-rows.ts';
import { volumeRows } from './volume-rows.ts';

export const rows: readonly Row[] = [
  ...networkRows,
  ...processRows,
  ...swarmRows,
  ...storeRows,
  ...serviceRows,
  ...volumeRows,
  clockRow,
];
