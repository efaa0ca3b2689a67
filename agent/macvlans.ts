// What macvlans need beside keepalived, which makes them, and removes them when it stops or when a reload drops them: the
// interface below speaks for itself alone, and what keepalived leaves of itself goes away. That is, when it was killed, the
// macvlans and its tables of nftables, and always the ARP settings of the interface below.
import type { Log } from '../shared/io/log.ts';
import type { AssignedInstance } from '../shared/protocol.ts';
import { isVirtual } from './core/kernel.ts';
import { type KernelWatch, removeInterfaces } from './io/addresses.ts';
import { type ArpSettings, arpNames, readArp, writeArp } from './io/arp.ts';
import type { Problems } from './io/problems.ts';
import { MacvlansFile, type StateStore } from './io/state-store.ts';
import { removeVrrpTables } from './io/vrrp-tables.ts';

export interface Macvlans {
  /** Before keepalived makes them. */
  prepare(instances: readonly AssignedInstance[]): Promise<void>;
  /** keepalived runs these; what is recorded and not among them is removed. */
  settle(instances: readonly AssignedInstance[]): Promise<void>;
}

const where = 'interfaces below virtual MACs';

/** Of the interface below while there is a macvlan: the first is ours, the others are keepalived's. */
const inUse: ArpSettings = { arp_announce: 2, arp_ignore: 1, arp_filter: 1 };

export function createMacvlans(
  file: string,
  deps: {
    readonly store: StateStore;
    readonly kernel: KernelWatch;
    readonly problems: Problems;
    readonly log: Log;
  },
): Macvlans {
  const { store, kernel, problems, log } = deps;
  const found = store.read(file, MacvlansFile);
  let recorded: readonly string[] = found?.macvlans ?? [];
  /** The interfaces below, with the settings that they had before. */
  let below: Readonly<Record<string, ArpSettings>> = found?.below ?? {};
  /** A reload must not wait for the same again. */
  let prepared = '';

  const record = (names: readonly string[], settings: typeof below) => {
    if (JSON.stringify([names, settings]) === JSON.stringify([recorded, below])) return;
    recorded = names;
    below = settings;
    store.write(file, { macvlans: names, below: settings });
  };

  const restore = async (links: readonly string[]) => {
    if (links.length === 0) return;
    prepared = '';
    for (const link of links) {
      const [before, now] = [below[link], readArp(link)];
      // What somebody has changed meanwhile stays as it is; an interface that is gone needs nothing.
      const changed = arpNames.filter(
        (name) => now?.[name] === inUse[name] && before?.[name] !== inUse[name],
      );
      if (before === undefined || changed.length === 0) continue;
      const { code, stderr } = await writeArp({
        [link]: Object.fromEntries(changed.map((name) => [name, before[name]])),
      });
      if (code === 0) continue;
      log.warn(
        { event: 'arp-not-restored', link, before, error: stderr.trim() },
        'ARP settings stay changed',
      );
    }
  };

  return {
    async prepare(instances) {
      const virtual = instances.filter((instance) => instance.vmac !== undefined);
      const links = [...new Set(virtual.map((instance) => instance.interface))];
      const fresh = links
        .filter((link) => below[link] === undefined)
        .flatMap((link) => {
          const settings = readArp(link);
          return settings === undefined ? [] : [[link, settings] as const];
        });
      record([...new Set([...recorded, ...virtual.flatMap(({ vmac }) => vmac ?? [])])], {
        ...below,
        ...Object.fromEntries(fresh),
      });
      if (links.length === 0 || prepared === links.join()) return;
      const { arp_announce } = inUse;
      const { code, stderr } = await writeArp(
        Object.fromEntries(links.map((link) => [link, { arp_announce }])),
      );
      prepared = code === 0 ? links.join() : '';
      if (code === 0) return problems.clear('arp-announce', where);
      problems.set({
        code: 'arp-announce',
        severity: 'warning',
        where,
        message: `cannot set arp_announce of ${links.join(', ')}: ${stderr.trim() || `exit code ${code}`}`,
        instead: 'a neighbour that this node asks learns the MAC of the interface instead of the virtual one',
        remedy: 'on this node: sysctl -w net.ipv4.conf.all.arp_announce=2',
      });
    },
    async settle(instances) {
      const virtual = instances.filter((instance) => instance.vmac !== undefined);
      const kept = new Set(virtual.flatMap(({ vmac }) => vmac ?? []));
      const keptBelow = new Set(virtual.map((instance) => instance.interface));
      const free = Object.keys(below).filter((link) => !keptBelow.has(link));
      if (free.length === 0 && recorded.every((name) => kept.has(name))) return;
      const left = (await kernel.refresh())
        .filter((link) => isVirtual(link) && recorded.includes(link.name) && !kept.has(link.name))
        .map((link) => link.name);
      if (left.length > 0) {
        await removeInterfaces(left);
        await kernel.refresh();
        log.warn({ event: 'macvlans-removed', left }, 'removed macvlans nobody looks after');
      }
      if (left.length > 0 && kept.size === 0) {
        const { code, stderr } = await removeVrrpTables();
        if (code !== 0)
          log.warn(
            { event: 'tables-stay', error: stderr.trim() },
            'cannot remove keepalived’s tables of nftables',
          );
      }
      await restore(free);
      record(
        recorded.filter((name) => kept.has(name)),
        Object.fromEntries(Object.entries(below).filter(([link]) => keptBelow.has(link))),
      );
    },
  };
}
