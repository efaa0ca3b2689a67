// Where a value comes from, in words for people; carried beside the value up to the status document.

/** "default", "config groups-7, line 12", "service vip_coordinator, env KEEPALIVED_INTERFACE". */
export type Provenance<Field extends string> = Readonly<Record<Field, string>>;

export const byDefault = 'default';

export const groupFields = [
  'addresses',
  'members',
  'preferred',
  'interface',
  'router_id',
  'interval',
  'version',
  'auth',
  'preempt',
  'preempt_delay',
  'transport',
  'track_interfaces',
  'garp',
  'vmac',
  'strict',
  'skip_check_adv_addr',
  'checks',
  'notify',
] as const;
export type GroupField = (typeof groupFields)[number];

/** Every field of a group from one function. */
export function provenanceOf(from: (field: GroupField) => string): Provenance<GroupField> {
  const made: Partial<Record<GroupField, string>> = {};
  for (const field of groupFields) made[field] = from(field);
  return made as Record<GroupField, string>;
}
