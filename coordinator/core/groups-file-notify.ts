// The part `notifications` of groups.yaml → receivers. What is wrong with one stops no other, and no group.
import * as v from 'valibot';
import { GroupName } from '../../shared/words.ts';
import { type FileProblem, fileProblem } from './groups-problem.ts';
import { salvage } from './groups-salvage.ts';
import { placeOf, type Tree } from './groups-tree.ts';
import type { Fault } from './groups-yaml.ts';
import { NotificationEntry, type Receiver, receiverOf } from './notifications.ts';
import { readable } from './readable.ts';

const most = 32;
const unused = 'it is told nothing, the others are';

export function readNotifications(
  source: string,
  root: Tree,
  tree: Tree | undefined,
  faults: readonly Fault[],
): { receivers: Receiver[]; problems: FileProblem[] } {
  const problems = faults
    .filter(({ path }) => path[0] === 'notifications' && path.length >= 2)
    .map((fault) => fileProblem(source, fault, fault.path.length === 2 ? unused : 'the value is left out'));
  const complain = (path: string[], code: string, message: string, remedy: string, value?: string) => {
    const at = placeOf(root, path);
    problems.push(
      fileProblem(source, { code, at, path, message, remedy, ...(value ? { value } : {}) }, unused),
    );
  };
  if (!tree) return { receivers: [], problems };
  if (tree.kind !== 'map' || tree.entries.size > most) {
    const message = `expected a map of at most ${most} entries by name`;
    complain(
      ['notifications'],
      'notifications-invalid',
      message,
      'write notifications: { NAME: { chat: … } }',
    );
    return { receivers: [], problems };
  }
  const receivers = [...tree.entries].flatMap(([name, { tree: entry }]): Receiver[] => {
    const path = ['notifications', name];
    if (!v.is(GroupName, name)) {
      const message = 'expected 1 to 63 of A-Z a-z 0-9 _ . - beginning with a letter or a digit';
      complain(path, 'name-invalid', message, 'choose another name', readable(name));
      return [];
    }
    const made = salvage({ schema: NotificationEntry, root, tree: entry, path, source, instead: insteadOf });
    problems.push(...made.problems);
    if (!made.value) return [];
    const receiver = receiverOf(name, made.value);
    if ('message' in receiver) {
      complain([...path, ...receiver.path], 'notification-invalid', receiver.message, receiver.remedy);
      return [];
    }
    return [receiver];
  });
  return { receivers, problems };
}

const insteadOf = (path: readonly (string | number)[]): string =>
  path[2] === 'groups' || path[2] === 'events' ? 'the key is left out, so it is told of all' : unused;
