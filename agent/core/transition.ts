// What all members must agree on changes in an order that the coordinator leads (rule R2). Here: an instance as it is
// assigned and as it runs → the instance to run now. Whatever the coordinator saw may be a second old; the member that
// holds right now never changes alone, and one that does not hold never leads.
import type { AssignedInstance } from '../../shared/protocol.ts';

/** Members that differ in any of these do not understand each other, and both take the addresses. */
export function agreementOf(instance: AssignedInstance): string {
  const { vrid, version, intervalMs, password, transport, source } = instance;
  // Backups of version 3 learn the interval from the adverts.
  return JSON.stringify([
    vrid,
    version,
    version === 2 ? intervalMs : null,
    password ?? null,
    transport ?? null,
    instance.interface,
    source,
  ]);
}

/** @param holds keepalived says that this instance is MASTER */
export function resolveTransition(
  wanted: AssignedInstance,
  running: AssignedInstance | undefined,
  holds: boolean,
): AssignedInstance {
  if (!running) return wanted;
  const changes = agreementOf(wanted) !== agreementOf(running);
  switch (wanted.transition) {
    case 'keep':
      return kept(wanted, running);
    case 'hold':
      // Became holder meanwhile: held it would drop the address, changed alone it would not be understood.
      return changes && holds ? kept(wanted, running) : wanted;
    case 'lead':
      if (changes && !holds) return { ...wanted, transition: 'hold' };
      return !changes && holds ? wanted : unrelieved(wanted);
    default:
      return wanted;
  }
}

/** Until it is MASTER again: its way there leads through BACKUP, which would mean that another has taken over. */
function unrelieved({ standAside: _, ...instance }: AssignedInstance): AssignedInstance {
  return instance;
}

/** What is said to the agent; keepalived runs the same with and without. */
const orders: readonly string[] = [
  'peersConfirmed',
  'silenceOnly',
  'outlastMs',
  'standAside',
  'transition',
  'order',
  'contested',
  'preemptDelayMs',
] satisfies (keyof AssignedInstance)[];
const isOrder = ([key]: [string, unknown]): boolean => orders.includes(key);

/** As it runs, with the orders of the new assignment. */
function kept(wanted: AssignedInstance, running: AssignedInstance): AssignedInstance {
  const asItRuns = Object.entries(running).filter((entry) => !isOrder(entry));
  return Object.fromEntries([...asItRuns, ...Object.entries(wanted).filter(isOrder)]) as AssignedInstance;
}

/** Whole seconds that a pinned address lives when nobody removes it: a little longer than the others are held. */
export function pinSeconds(holdLimitMs: number): number {
  return Math.ceil(holdLimitMs / 1000) + 2;
}
