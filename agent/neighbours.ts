// A question for a neighbour that was lost with the link is repeated only after a second (neigh/retrans_time_ms), and
// everything to that neighbour waits for the answer, adverts too: a returning master would stand beside a holder that
// does not hear it. So when a link comes up, open questions are forgotten; the next packet asks anew and at once.
import type { Log } from '../shared/io/log.ts';
import type { KernelInterface } from './core/kernel.ts';
import { run } from './io/run.ts';

/** Before a master-down interval is over, and again for switches that forward late. */
const timesMs = [0, 150, 300, 600];

export function createNeighbours(log: Log): { look(links: readonly KernelInterface[]): void } {
  let up: ReadonlySet<string> | undefined;

  const forget = async (link: string) => {
    const { code, stderr } = await run(
      'ip',
      ['neigh', 'flush', 'dev', link, 'nud', 'incomplete', 'nud', 'failed'],
      2_000,
    );
    if (code !== 0) log.debug({ event: 'neighbours-kept', link, why: stderr.trim() }, 'cannot ask anew');
  };

  return {
    look(links) {
      const before = up;
      up = new Set(links.filter((link) => link.up).map(({ name }) => name));
      if (!before) return;
      for (const link of up) {
        if (before.has(link)) continue;
        log.info({ event: 'link-up', link }, 'asks for neighbours anew');
        for (const ms of timesMs) setTimeout(() => void forget(link), ms);
      }
    },
  };
}
