// Docker configs labelled swarm-vip.groups → groups. Configs are immutable: a change is a new config, the newest counts,
// and the older ones are what a bad file falls back to, so that it never takes an address away:
//   a file that says nothing usable   → the newest one that does stands;
//   a group with something wrong in it → its newest clean definition stands; without one, what can be used of it.
import type { Problem } from '../../shared/problem.ts';
import type { Group, Groups } from './groups.ts';
import { type FileGroup, type GroupsFileResult, readGroupsFile } from './groups-file.ts';
import type { Receiver } from './notifications.ts';
import { readable } from './readable.ts';
import type { GroupsConfig, Snapshot } from './snapshot.ts';

export const configLabel = 'swarm-vip.groups';

/** What the groups were made from. */
export interface ConfigInUse {
  name: string;
  id: string;
  createdAt: string;
  /** Of the file's bytes, so that `sha256sum groups.yaml` tells whether it is this one. */
  sha256: string;
  /** Newer ones that cannot be used. */
  unusable: string[];
  /** Older ones, newest first. */
  superseded: string[];
  /** Groups that an older config still defines, because the one in use is wrong about them. */
  kept: { group: string; config: string }[];
}

export interface ConfigGroups extends Groups {
  /** Names as the file lists them; `groups` has those first that nothing is wrong with, for they claim addresses first. */
  listed: string[];
  config: ConfigInUse | undefined;
  receivers: readonly Receiver[];
}

/** Older configs than this are not looked at. */
const maxConfigs = 16;

export function groupsFromConfigs({ configs = [], secrets }: Snapshot): ConfigGroups {
  const problems: Problem[] = [];
  const named = new Set<string>();
  const files = [...configs]
    .sort((a, b) => b.createdAt.localeCompare(a.createdAt) || b.id.localeCompare(a.id))
    .slice(0, maxConfigs);
  const current = files.findIndex((file) => read(file, secrets).usable);
  const used = files[current];
  const broken = used ? files.slice(0, current) : files;
  for (const file of broken) problems.push(...standing(read(file, secrets).problems, used));
  if (!used) return { groups: [], listed: [], named, problems, config: undefined, receivers: [] };

  const { groups: found, receivers, problems: ownProblems } = read(used, secrets);
  problems.push(...ownProblems);
  const older = files.slice(current + 1);
  const kept: ConfigInUse['kept'] = [];
  const clean: Group[] = [];
  const mended: Group[] = [];
  for (const one of found) {
    named.add(one.name);
    const last = one.clean ? undefined : lastClean(one.name, older, secrets);
    if (last) kept.push({ group: one.name, config: last.file.name });
    problems.push(...(last ? keptInstead(one, last.file) : one.problems));
    const group = last ? last.group : one.group;
    if (group) (one.clean ? clean : mended).push(group);
  }
  const { name, id, createdAt, sha256 } = used;
  const config: ConfigInUse = {
    name,
    id,
    createdAt,
    sha256,
    unusable: broken.map((file) => file.name),
    superseded: older.map((file) => file.name),
    kept,
  };
  const listed = found.map((one) => one.name);
  return { groups: [...clean, ...mended], listed, named, problems, config, receivers };
}

function lastClean(name: string, older: readonly GroupsConfig[], secrets: Snapshot['secrets']) {
  for (const file of older) {
    const found = read(file, secrets).groups.find((candidate) => candidate.name === name);
    if (found?.clean && found.group) return { file, group: found.group };
  }
  return undefined;
}

const keptInstead = ({ problems }: FileGroup, file: GroupsConfig): Problem[] =>
  problems.map((problem) => ({
    ...problem,
    instead: `the group stays as config ${readable(file.name)} defines it`,
  }));

const standing = (problems: readonly Problem[], used: GroupsConfig | undefined): Problem[] =>
  problems.map((problem) => ({
    ...problem,
    instead: used ? `config ${readable(used.name)}, which is older, stands` : 'no config defines a group',
  }));

/** Configs never change and neither does what is mounted into a running coordinator: each is read once. */
const results = new WeakMap<GroupsConfig, { secrets: Snapshot['secrets']; result: GroupsFileResult }>();

function read(file: GroupsConfig, secrets: Snapshot['secrets']): GroupsFileResult {
  const known = results.get(file);
  if (known && known.secrets === secrets) return known.result;
  const result = readGroupsFile({ name: `config ${readable(file.name)}`, text: file.text, secrets });
  results.set(file, { secrets, result });
  return result;
}
