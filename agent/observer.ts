// Looks on at what is not ours: a keepalived that somebody runs by hand on this host, and the groups that this node is
// to observe. It only reads: the kernel's tables and the wire.
import type { Log } from '../shared/io/log.ts';
import type { Problem } from '../shared/problem.ts';
import type { AssignedInstance, ObservedInstance } from '../shared/protocol.ts';
import type { PlacedAddress } from './core/anchor.ts';
import { type KernelInterface, withoutAddress } from './core/kernel.ts';
import {
  foreignAdvert,
  foreignProblem,
  type HeardAdverts,
  hearAdvert,
  isOurs,
  isOwnSource,
  livingAdverts,
  observe,
  occupiedProblem,
  presentOf,
  type Surroundings,
  whyOccupied,
} from './core/observation.ts';
import type { Heirs } from './inheritance.ts';
import type { Problems } from './io/problems.ts';
import { startVrrpSensor, type VrrpSensor } from './io/vrrp-sensor.ts';
import { createVrrpSocketLook } from './io/vrrp-sockets.ts';

export interface Observer {
  /** The whole assignment: what is observed in it, and what must not begin beside a stranger. */
  watch(instances: readonly AssignedInstance[]): void;
  observed(): readonly ObservedInstance[];
  /** An instance that does not run yet must not begin. */
  staysOut(group: string): boolean;
  /** The same as `foreign`, by a look of its own: whether addresses that are there may be somebody else's. */
  strangerHere(): boolean;
  /** A VRRP daemon that is not ours runs on this host. */
  foreign(): boolean;
  /** Addresses, adverts or time may have changed something. */
  look(): void;
  /** The kernel says so; its next reading will show it. */
  gone(address: { interface: string; address: string }): void;
  stop(): void;
}

export interface ObserverDeps {
  readonly log: Log;
  readonly problems: Problems;
  readonly kernel: () => readonly KernelInterface[];
  /** Put up by our keepalived, perhaps by an earlier one. */
  readonly recorded: () => readonly PlacedAddress[];
  /** keepalived runs it, or is about to. */
  readonly runs: (group: string) => boolean;
  /** keepalived is MASTER of it. */
  readonly holds: (group: string) => boolean;
  readonly heirs: Heirs;
  readonly now: () => number;
  readonly wallNow: () => number;
  /** What is observed, or who stays out, is another than before. */
  readonly onChange: () => void;
}

/** After the first, two looks must agree: a socket of ours may end between two readings, and a restart is no end. */
const periodMs = 1_000;
/** Longer than any change of state takes to reach kernel and FIFO. */
const sharedMs = 1_000;

export function createObserver(deps: ObserverDeps): Observer {
  const { log, problems, now } = deps;
  let watched: readonly AssignedInstance[] = [];
  let seen = new Map<string, ObservedInstance>();
  let occupied: ReadonlyMap<string, string> = new Map();
  let heard: HeardAdverts = new Map();
  const socketsOfOthers = createVrrpSocketLook();
  let lastLook: boolean | undefined;
  let foreign = false;
  /** Groups of ours with an address here although they do not hold, since when. */
  let shared: ReadonlyMap<string, number> = new Map();
  let sensor: VrrpSensor | undefined;
  let text = '';

  const lookAtSockets = () => {
    let found: boolean;
    try {
      found = socketsOfOthers();
    } catch (error) {
      log.debug(
        { event: 'sockets-unreadable', error: String(error) },
        'cannot read the table of raw sockets',
      );
      return;
    }
    const before = foreign;
    if (lastLook === undefined || lastLook === found) foreign = found;
    lastLook = found;
    if (foreign !== before || !settled()) look();
  };

  /** On a host of ours alone, where all runs that should, time changes nothing: what does calls `look` itself. */
  const settled = () =>
    !foreign &&
    !deps.heirs.keeps() &&
    occupied.size === 0 &&
    watched.every((instance) => !instance.observe && deps.runs(instance.group));

  const sense = () => {
    const wanted = foreign || deps.heirs.keeps() || watched.some((instance) => instance.observe);
    if (wanted && !sensor) {
      sensor = startVrrpSensor(({ advert, outgoing }) => {
        const sentHere = outgoing && isOwnSource(deps.kernel(), advert.source);
        const before = heard.size;
        heard = hearAdvert(heard, { advert, sentHere, atMs: now() });
        if (heard.size !== before) look();
      }, reportDeaf);
    } else if (!wanted && sensor) {
      sensor.stop();
      sensor = undefined;
      heard = new Map();
      reportDeaf(undefined);
    }
  };

  const reportDeaf = (why: string | undefined) =>
    why === undefined ? problems.clear('cannot-observe', 'the wire') : problems.set(deafProblem(why));

  const look = () => {
    heard = livingAdverts(heard, now());
    const around: Surroundings = { kernel: deps.kernel(), heard, keepalived: foreign };
    deps.heirs.look(watched, around);
    sense();
    seen = new Map(
      watched
        .filter((instance) => instance.observe)
        .map((instance): [string, ObservedInstance] => {
          const next = observe(instance, around);
          const known = seen.get(instance.group);
          const stateSinceMs = known?.state === next.state ? known.stateSinceMs : deps.wallNow();
          if (known?.state !== next.state) {
            const words = { group: next.group, from: known?.state ?? 'INIT', to: next.state };
            log.info({ event: 'observed-state', ...words }, 'observed');
          }
          const heir = deps.heirs.isHeir(instance.group) ? { inherits: true as const } : {};
          return [instance.group, { ...next, stateSinceMs, ...heir }];
        }),
    );
    occupied = new Map(
      watched.flatMap((instance): [string, string][] => {
        if (instance.observe || deps.runs(instance.group)) return [];
        const why = whyOccupied(instance, around, deps.recorded());
        return why === undefined ? [] : [[instance.group, why]];
      }),
    );
    const strays = watched.filter(
      (each) =>
        foreign && deps.runs(each.group) && !deps.holds(each.group) && presentOf(each, around).length > 0,
    );
    shared = new Map(strays.map(({ group }) => [group, shared.get(group) ?? now()]));
    report();
    const next = JSON.stringify([[...seen.values()], [...occupied.keys()], foreign]);
    if (next === text) return;
    text = next;
    deps.onChange();
  };

  let reported: readonly string[] = [];
  const report = () => {
    for (const group of reported.filter((each) => !occupied.has(each)))
      problems.clear('occupied', `group ${group}`);
    for (const [group, why] of occupied) problems.set(occupiedProblem(group, why));
    reported = [...occupied.keys()];
    const ours = watched.filter((instance) => !instance.observe);
    // Where every group is only observed, somebody else's keepalived is what one expects.
    if (!foreign || (watched.length > 0 && ours.length === 0))
      return problems.clear('foreign-keepalived', 'this host');
    const adverts = [...heard.values()].filter(({ sentHere, advert }) => sentHere && !isOurs(advert));
    const touches =
      occupied.size > 0 ||
      [...shared.values()].some((sinceMs) => now() - sinceMs >= sharedMs) ||
      ours.some((instance) => foreignAdvert(instance, heard) !== undefined);
    problems.set(
      foreignProblem(
        adverts.map(({ advert }) => advert),
        touches,
      ),
    );
  };
  lookAtSockets();
  const timer = setInterval(lookAtSockets, periodMs).unref();

  return {
    watch(instances) {
      watched = instances;
      look();
    },
    observed: () => [...seen.values()],
    staysOut: (group) => occupied.has(group),
    strangerHere() {
      // He may have come just now.
      if (!foreign) lookAtSockets();
      return foreign || lastLook === true;
    },
    foreign: () => foreign,
    look,
    gone(address) {
      if (!watched.some(({ group }) => deps.heirs.isHeir(group))) return;
      const kernel = withoutAddress(deps.kernel(), address);
      deps.heirs.look(watched, { kernel, heard: livingAdverts(heard, now()), keepalived: foreign });
    },
    stop() {
      clearInterval(timer);
      sensor?.stop();
    },
  };
}

function deafProblem(why: string): Problem {
  return {
    code: 'cannot-observe',
    severity: 'warning',
    where: 'the wire',
    message: `expected to hear VRRP adverts, found ${why}`,
    instead: 'addresses and sockets are looked at all the same; tries again every second',
    remedy: 'give the agent the capability NET_RAW, and perl-base if the image was changed',
  };
}
