// Text of one groups.yaml → its groups, each read for itself: what is wrong in one never stops another. A group is
// `clean` when nothing in it had to be left out; groups-configs.ts prefers an older clean definition to a mended one.
import * as v from 'valibot';
import { GroupName } from '../../shared/words.ts';
import { didYouMean } from './did-you-mean.ts';
import type { Group } from './groups.ts';
import { type FieldContext, groupFromEntry } from './groups-file-entry.ts';
import { readNotifications } from './groups-file-notify.ts';
import { type FileProblem, fileProblem } from './groups-problem.ts';
import { type Salvaged, salvage } from './groups-salvage.ts';
import { Defaults, GroupEntry } from './groups-schema.ts';
import { type Path, placeOf, type Tree } from './groups-tree.ts';
import { type Fault, readYaml } from './groups-yaml.ts';
import type { Receiver } from './notifications.ts';
import { byDefault } from './provenance.ts';
import { readable } from './readable.ts';

export interface FileGroup {
  name: string;
  /** What can be served of it; undefined when nothing can. */
  group: Group | undefined;
  clean: boolean;
  problems: FileProblem[];
}

export interface GroupsFileResult {
  /** False when the text as a whole says nothing: no YAML, no groups, an unknown key at the top. */
  usable: boolean;
  groups: FileGroup[];
  /** Who is told what happens. */
  receivers: Receiver[];
  /** Of the file as a whole and of its defaults. */
  problems: FileProblem[];
}

export interface FileSource {
  /** "config groups-7" or "groups.yaml". */
  name: string;
  text: string;
  /** Passwords by name of the secret; undefined when they are not at hand (offline). */
  secrets: Readonly<Record<string, string>> | undefined;
}

/** Never throws. */
export function readGroupsFile(source: FileSource): GroupsFileResult {
  const read = readYaml(source.text);
  const problems: FileProblem[] = [];
  if (!read.ok) {
    const { fault } = read;
    return { ...nothing, problems: [fileProblem(source.name, fault, wholeFile)] };
  }
  const { root, faults } = read;
  const top = root.kind === 'map' ? root.entries : new Map<string, { at: Tree['at']; tree: Tree }>();
  for (const fault of faults.filter(({ path }) => path.length < 2)) {
    problems.push(fileProblem(source.name, fault, wholeFile));
  }
  for (const [key, { at }] of top) {
    if (topKeys.includes(key)) continue;
    const message = `expected groups, defaults or notifications${didYouMean(key, topKeys)}`;
    const fault = {
      code: 'key-unknown',
      at,
      path: [key],
      value: readable(key),
      message,
      remedy: 'correct the key',
    };
    problems.push(fileProblem(source.name, fault, wholeFile));
  }
  const groups = top.get('groups')?.tree;
  if (groups?.kind !== 'map') {
    const message = 'expected groups, a map of groups by name';
    const remedy = 'write groups: {} to define none';
    const at = placeOf(root, ['groups']);
    problems.push(
      fileProblem(source.name, { code: 'groups-missing', at, path: ['groups'], message, remedy }, wholeFile),
    );
  }
  if (groups?.kind === 'map' && groups.entries.size > maxGroups) {
    const message = `expected at most ${maxGroups} groups (one network has as many virtual router ids), found ${groups.entries.size}`;
    const at = placeOf(root, ['groups']);
    const fault = {
      code: 'too-many-groups',
      at,
      path: ['groups'],
      message,
      remedy: 'give groups more addresses each',
    };
    problems.push(fileProblem(source.name, fault, wholeFile));
  }
  if (groups?.kind !== 'map' || problems.length > 0) return { ...nothing, problems };

  const defaults = readDefaults(source, root, top.get('defaults')?.tree, faults);
  problems.push(...defaults.problems);
  const notify = readNotifications(source.name, root, top.get('notifications')?.tree, faults);
  problems.push(...notify.problems);
  const names = new Set([...groups.entries.keys(), ...faults.flatMap(groupOf)]);
  return {
    usable: true,
    groups: [...names].map((name) => readGroup(source, root, name, faults, defaults)),
    receivers: notify.receivers,
    problems,
  };
}

const topKeys = ['groups', 'defaults', 'notifications'];
const nothing = { usable: false, groups: [], receivers: [] };
const maxGroups = 255;
const wholeFile = 'the file is not used';
const groupOf = ({ path }: Fault): string[] =>
  path[0] === 'groups' && path.length >= 2 ? [String(path[1])] : [];

interface ReadDefaults {
  value: Defaults;
  /** Keys that did not come through: a group that does not say them itself is not clean. */
  broken: Set<string>;
  problems: FileProblem[];
}

function readDefaults(source: FileSource, root: Tree, tree: Tree | undefined, faults: Fault[]): ReadDefaults {
  const problems = faults
    .filter(({ path }) => path[0] === 'defaults' && path.length >= 2)
    .map((fault) => fileProblem(source.name, fault, 'this default is left out'));
  const result: Salvaged<Defaults> = tree
    ? salvage({
        schema: Defaults,
        root,
        tree,
        path: ['defaults'],
        source: source.name,
        instead: 'this default is left out',
      })
    : { value: {}, problems: [] };
  problems.push(...result.problems);
  return {
    value: result.value ?? {},
    broken: new Set(problems.map(({ path }) => String(path[1]))),
    problems,
  };
}

function readGroup(
  source: FileSource,
  root: Tree,
  name: string,
  faults: readonly Fault[],
  defaults: ReadDefaults,
): FileGroup {
  const path = ['groups', name];
  const problems = faults
    .filter((fault) => groupOf(fault)[0] === name)
    .map((fault) => fileProblem(source.name, fault, insteadOf(fault.path, fault.code), name));
  const found = entryOf(root, path);
  const report = (code: string, message: string, remedy: string, value?: string) => {
    const fault: Fault = {
      code,
      at: found?.at ?? root.at,
      path,
      message,
      remedy,
      ...(value ? { value } : {}),
    };
    problems.push(fileProblem(source.name, fault, notServed, name));
  };
  const done = (group: Group | undefined): FileGroup => ({
    name,
    group,
    clean: !problems.some(({ severity }) => severity === 'error'),
    problems,
  });
  const parsedName = v.safeParse(GroupName, name);
  if (!parsedName.success) {
    const [{ message }] = parsedName.issues;
    report('group-name-invalid', message, 'choose another name, here and on the nodes', readable(name));
    return done(undefined);
  }
  if (found?.tree.kind !== 'map') {
    if (problems.length === 0)
      report('group-invalid', 'expected a map with addresses', 'write addresses below it');
    return done(undefined);
  }
  const { tree } = found;
  if (!tree.entries.has('addresses') && !problems.some((problem) => problem.path[2] === 'addresses')) {
    report('group-without-address', 'expected the key addresses', 'add addresses: [192.168.1.100]');
  }
  const entry = salvage({
    schema: GroupEntry,
    root,
    tree,
    path,
    source: source.name,
    instead: insteadOf,
    group: name,
  });
  problems.push(...entry.problems);
  const refused = problems.some(({ path: at }) => at[2] === 'members' || at[2] === 'tiers');
  if (!entry.value || refused) return done(undefined);

  const own = entry.value;
  const context: FieldContext = {
    name: parsedName.output,
    source: `${source.name}, line ${found.at.line}`,
    secrets: source.secrets,
    originOf(field) {
      if (Object.hasOwn(own, field)) return `${source.name}, line ${placeOf(root, [...path, field]).line}`;
      if (!Object.hasOwn(defaults.value, field)) return byDefault;
      return `${source.name}, line ${placeOf(root, ['defaults', field]).line} (defaults)`;
    },
    complain(field, complaint, ...more) {
      const at: Path = Object.hasOwn(own, field) ? [...path, field, ...more] : ['defaults', field, ...more];
      const { value, ...words } = complaint;
      const fault: Fault = {
        ...words,
        at: placeOf(root, at),
        path: at,
        ...(value === undefined ? {} : { value }),
      };
      problems.push(fileProblem(source.name, fault, complaint.instead, name, complaint.severity));
    },
  };
  const group = groupFromEntry({ ...defaults.value, ...own }, context);
  const result = done(group);
  return { ...result, clean: result.clean && [...defaults.broken].every((key) => Object.hasOwn(own, key)) };
}

const notServed = 'the group is not served';

/** What becomes of a group whose value at this path is left out. */
function insteadOf(path: Path, code = ''): string {
  if (code === 'key-duplicate') return 'the first one counts';
  const [, , field, ...more] = path;
  if (field === undefined || field === 'members' || field === 'tiers') return notServed;
  if (field === 'addresses')
    return more.length > 0 ? 'this address is left out, the others are served' : notServed;
  if (field === 'checks' && more.length > 0) return 'this check is left out, the rest of the group is served';
  return field === 'auth' ? 'no password is used' : 'the key is left out, the rest of the group is served';
}

function entryOf(root: Tree, path: readonly string[]): { at: Tree['at']; tree: Tree } | undefined {
  let found: { at: Tree['at']; tree: Tree } | undefined = { at: root.at, tree: root };
  for (const key of path) found = found?.tree.kind === 'map' ? found.tree.entries.get(key) : undefined;
  return found;
}
