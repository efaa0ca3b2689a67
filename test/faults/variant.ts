// The agents that are deployed, with something added or taken away for one row: an environment, or a file mounted over one
// of the image's. What the image runs is read from the container itself, so a variant differs in nothing else.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calm, type Stage, three } from '../demo/stage.ts';
import { firstsOf } from '../lab/containers.ts';

export interface Variant {
  readonly env?: Readonly<Record<string, string>>;
  /** Files of the image, by path, with their new text. */
  readonly files?: Readonly<Record<string, (text: string) => string>>;
  /** A directory of the machine, as it is seen in the container. */
  readonly mounts?: readonly { readonly source: string; readonly target: string }[];
  /** Values of the compose file that `env` replaces. */
  readonly envBefore?: Readonly<Record<string, string>>;
}

/** One place in a text, which must be there exactly once: a patch that changes nothing would prove nothing. */
export const replaced =
  (from: string, to: string) =>
  (text: string): string => {
    const places = text.split(from).length - 1;
    if (places !== 1) throw new Error(`expected one place with ${JSON.stringify(from)}, found ${places}`);
    return text.replace(from, () => to);
  };

/** All at once, since what is measured comes later. */
const hurried = ['--update-parallelism=0', '--update-delay=0s', '--update-monitor=1s'];
const asBefore = ['--update-parallelism=1', '--update-delay=2s', '--update-monitor=15s'];

/** Runs the variant on every node. The result takes it away again; both end with a calm stage. */
export async function deployVariant(stage: Stage, variant: Variant): Promise<() => Promise<void>> {
  const { lab } = stage;
  const { env = {}, envBefore = {}, files = {}, mounts = [] } = variant;
  const update = async (args: readonly string[]) => {
    const command = ['service', 'update', '--quiet', '--detach=false', ...args, 'swarm-vip_agent'];
    await lab.docker(await lab.manager(), command, { timeoutMs: 120_000, signal: stage.signal });
  };
  const patched = Object.entries(files).map(([target, patch]) => ({
    source: written(stage, target, patch(fileOf(stage, target))),
    target,
  }));
  const all = [...patched, ...mounts];
  const bind = ({ source, target }: { source: string; target: string }) =>
    `--mount-add=type=bind,source=${source},target=${target},readonly`;
  const undo = async () => {
    const removed = Object.keys(env).map((key) =>
      envBefore[key] === undefined ? `--env-rm=${key}` : `--env-add=${key}=${envBefore[key]}`,
    );
    await update([...hurried, ...removed, ...all.map(({ target }) => `--mount-rm=${target}`)]);
    await update(asBefore);
    await calm(stage);
  };
  const added = Object.entries(env).map(([key, value]) => `--env-add=${key}=${value}`);
  await update([...hurried, ...added, ...all.map(bind)]);
  await calm(stage);
  return undo;
}

/** The image's own text of a file. */
function fileOf({ lab }: Stage, path: string): string {
  const [pid] = firstsOf(lab.names, three[0] ?? '', 'agent');
  return readFileSync(`/proc/${pid}/root${path}`, 'utf8');
}

function written({ lab }: Stage, target: string, text: string): string {
  const directory = join(lab.names.dir, 'variant');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${Date.now()}-${target.replaceAll('/', '_')}`);
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}
