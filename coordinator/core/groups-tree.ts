// Values of groups.yaml with their places: what the YAML reader makes, schemas look at and salvage prunes.

export interface Place {
  line: number;
  column: number;
}
export type Path = readonly (string | number)[];

export type Tree =
  | { kind: 'scalar'; at: Place; value: string | number | boolean | null }
  | { kind: 'list'; at: Place; items: Tree[] }
  | { kind: 'map'; at: Place; entries: Map<string, { at: Place; tree: Tree }> };

/** Plain values for a schema. Maps have no prototype, so that no key can be more than a key. */
export function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plain);
  const made: Record<string, unknown> = Object.create(null);
  for (const [key, { tree: value }] of tree.entries) made[key] = plain(value);
  return made;
}

/** Where a path leads: the value's own place, or that of the nearest one above it. */
export function placeOf(root: Tree, path: Path): Place {
  let tree = root;
  let at = root.at;
  for (const step of path) {
    const entry = tree.kind === 'map' ? tree.entries.get(String(step)) : undefined;
    const next = tree.kind === 'list' ? tree.items[Number(step)] : entry?.tree;
    if (!next) return at;
    at = entry?.at ?? next.at;
    tree = next;
  }
  return at;
}

/** Takes the value at a path away. */
export function removeAt(root: Tree, path: Path): void {
  let tree: Tree | undefined = root;
  for (const step of path.slice(0, -1)) {
    if (tree?.kind === 'list') tree = tree.items[Number(step)];
    else tree = tree?.kind === 'map' ? tree.entries.get(String(step))?.tree : undefined;
  }
  const last = path.at(-1);
  if (tree?.kind === 'list') tree.items.splice(Number(last), 1);
  else if (tree?.kind === 'map') tree.entries.delete(String(last));
}
