// An assignment that ends the agent must not end it again and again, on every node at once. A life of the agent has one
// of them open; what two lives died with is refused, and the node goes on with what it runs.
//
//   arrives ──▶ open ── lived on for a while ──▶ forgotten
//                │ died of itself or by a hang
//                ▼
//              deaths + 1 ── 2 ──▶ refused
//
// Who is killed from outside died of nothing that was open.

export interface Suspect {
  /** Of the content: the same poison comes under a new generation with every change elsewhere. */
  readonly digest: string;
  readonly deaths: number;
  readonly open: boolean;
}

const fatalDeaths = 2;
const remembered = 16;

/** A life begins: whatever is open, the one before ended with it. */
export function afterDeath(suspects: readonly Suspect[], ofItself: boolean): Suspect[] {
  return suspects.map(({ digest, deaths, open }) => ({
    digest,
    deaths: deaths + (open && ofItself ? 1 : 0),
    open: false,
  }));
}

/** What was open before is being carried out no more. Should the agent die of it nevertheless, its turn comes again. */
export function opened(suspects: readonly Suspect[], digest: string): Suspect[] {
  const deaths = suspects.find((suspect) => suspect.digest === digest)?.deaths ?? 0;
  const others = suspects.filter((suspect) => suspect.digest !== digest && suspect.deaths > 0);
  return [...others.map((other) => ({ ...other, open: false })), { digest, deaths, open: true }].slice(
    -remembered,
  );
}

/** The agent has lived on with this. */
export function acquitted(suspects: readonly Suspect[], digest: string | undefined): Suspect[] {
  return suspects.filter((suspect) => !suspect.open && suspect.digest !== digest);
}

export function isPoison(suspects: readonly Suspect[], digest: string): boolean {
  return suspects.some((suspect) => suspect.digest === digest && suspect.deaths >= fatalDeaths);
}

export function isSuspect(suspects: readonly Suspect[], digest: string): boolean {
  return suspects.some((suspect) => suspect.digest === digest && suspect.deaths > 0);
}
