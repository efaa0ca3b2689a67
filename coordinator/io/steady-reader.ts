// Three lists of the engine → one state of Swarm. They are three calls, so they may be of three moments, an engine may be
// behind (an old leader that does not know it yet), and it may leave something out. What cannot be trusted is refused:
// the last good snapshot stands.
import { alike, type Kind, missingFrom, olderThan, type Revisions, revisionsOf } from '../core/revisions.ts';

export type Lists = Readonly<Record<Kind, unknown>>;

export interface SteadyReader {
  /** @throws when Swarm's answers contradict each other or what was known before */
  read(): Promise<Lists>;
  /** A write of our own: no read may be older. */
  wrote(kind: Kind, id: string, index: number): void;
}

/** Changes that come in between are waited for; in a Swarm that never rests the next look tries again. */
const mostReads = 6;

export function createSteadyReader(deps: {
  lists(): Promise<Lists>;
  /** Whether the object is still there and still belongs into its list. */
  belongs(kind: Kind, id: string): Promise<boolean>;
}): SteadyReader {
  let known: Map<string, number> = new Map();

  /** Nothing has changed since the last good read, or nothing changes between two reads: then all is of one moment. */
  const steady = async (): Promise<[Lists, Revisions]> => {
    let before: Revisions = known;
    let older: string | undefined;
    for (let reads = 1; reads <= mostReads; reads++) {
      const lists = await deps.lists();
      const revisions = revisionsOf(lists);
      // A write of our own may have come in between: then the next one has it.
      older = olderThan(known, revisions);
      if (older === undefined && revisions.size > 0 && alike(before, revisions)) return [lists, revisions];
      before = revisions;
    }
    const remedy = 'after a restore of Swarm from a backup restart the coordinators';
    throw new Error(
      older === undefined
        ? `Swarm changed during each of ${mostReads} reads`
        : `Swarm's answer is older than what it said before: ${older}; ${remedy}`,
    );
  };

  return {
    async read() {
      const [lists, revisions] = await steady();
      for (const { kind, id } of missingFrom(known, revisions)) {
        if (await deps.belongs(kind, id))
          throw new Error(`the engine's list leaves out ${kind} ${id}, which is still there`);
      }
      known = new Map(revisions);
      return lists;
    },
    wrote(kind, id, index) {
      const key = `${kind} ${id}`;
      if (known.has(key)) known.set(key, Math.max(index, known.get(key) ?? 0));
    },
  };
}
