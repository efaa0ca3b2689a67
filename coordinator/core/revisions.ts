// What Swarm counts for us: every object has a version index that raft raises with each write. By it a read is told to be
// older than one before, or to be of two moments, and an object that is missing to be worth a second question.
import * as v from 'valibot';

/** "node k3v…" → version index. */
export type Revisions = ReadonlyMap<string, number>;
export type Kind = 'node' | 'service' | 'config';

const Versioned = v.array(v.object({ ID: v.string(), Version: v.object({ Index: v.number() }) }));

/** @throws ValiError when an answer is no list of Swarm's objects */
export function revisionsOf(lists: Readonly<Record<Kind, unknown>>): Revisions {
  const kinds: readonly Kind[] = ['node', 'service', 'config'];
  return new Map(
    kinds.flatMap((kind) =>
      v.parse(Versioned, lists[kind]).map(({ ID, Version }) => [`${kind} ${ID}`, Version.Index] as const),
    ),
  );
}

export const alike = (a: Revisions, b: Revisions): boolean =>
  a.size === b.size && [...a].every(([key, index]) => b.get(key) === index);

/** The first object that had a greater index before. */
export function olderThan(known: Revisions, read: Revisions): string | undefined {
  for (const [key, index] of read) {
    const before = known.get(key) ?? 0;
    if (index < before) return `${key} at version ${index}, known at ${before}`;
  }
  return undefined;
}

export const missingFrom = (known: Revisions, read: Revisions): { kind: Kind; id: string }[] =>
  [...known.keys()]
    .filter((key) => !read.has(key))
    .map((key) => {
      const [kind = '', id = ''] = key.split(' ');
      return { kind: kind as Kind, id };
    });
