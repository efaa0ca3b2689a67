// `notifications` of groups.yaml: who is told of what. The schema, and what it comes to.
import * as v from 'valibot';
import type { Problem } from '../../shared/problem.ts';
import { GroupName } from '../../shared/words.ts';
import { didYouMean } from './did-you-mean.ts';

/** What there is to tell. */
export const noticeKinds = [
  'holder',
  'no-holder',
  'two-holders',
  'problem',
  'agent-gone',
  'drained',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

const described = <T extends v.GenericSchema>(schema: T, description: string) =>
  v.pipe(schema, v.description(description));
const list = <T extends v.GenericSchema>(item: T, most: number) =>
  v.pipe(v.array(item), v.minLength(1), v.maxLength(most));

const urlWords = 'expected a URL that begins with http:// or https://';
const Url = v.pipe(
  v.string(urlWords),
  v.maxLength(2_000, urlWords),
  v.regex(/^https?:\/\/[^\s"'<>\\]+$/, urlWords),
);
const SecretFile = v.pipe(
  v.string(),
  v.regex(
    /^(\/run\/secrets\/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/,
    'expected the name of a Docker secret, or /run/secrets/NAME',
  ),
);
const target = {
  url: v.optional(described(Url, 'In clear; prefer url_file where it carries a token')),
  url_file: v.optional(
    described(SecretFile, 'Name of a Docker secret of the coordinator service that holds the URL'),
  ),
};
const mailWords = 'expected an address such as ops@example.org';
const Mail = v.pipe(v.string(mailWords), v.regex(/^[^\s@<>(),;:"\\]{1,64}@[A-Za-z0-9.-]{1,253}$/, mailWords));
const serverWords = 'expected HOST or HOST:PORT';

export const ways = {
  webhook: v.strictObject({
    ...target,
    secret_file: v.optional(
      described(SecretFile, 'Name of a Docker secret; signs by HMAC-SHA256 as Standard Webhooks do'),
    ),
  }),
  alertmanager: v.strictObject(target),
  chat: v.strictObject(target),
  smtp: v.strictObject({
    server: described(
      v.pipe(v.string(serverWords), v.regex(/^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/, serverWords)),
      'HOST:PORT; without a port 25, with tls 465, with a user 587',
    ),
    from: Mail,
    to: list(Mail, 32),
    user: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
    password_file: v.optional(described(SecretFile, 'Name of a Docker secret of the coordinator service')),
    tls: v.optional(
      described(
        v.picklist(['required', 'offered', 'direct', 'none'], 'expected required, offered, direct or none'),
        'STARTTLS required (default with a user) or if offered (default without); TLS from the start; never',
      ),
    ),
  }),
};
export type Way = keyof typeof ways;

export const NotificationEntry = v.strictObject({
  webhook: v.optional(described(ways.webhook, 'One POST of JSON for each event')),
  alertmanager: v.optional(described(ways.alertmanager, 'Alertmanager, API v2: its base URL')),
  chat: v.optional(described(ways.chat, 'Incoming webhook of Slack, Mattermost and the like')),
  smtp: v.optional(described(ways.smtp, 'Mail')),
  groups: v.optional(described(list(GroupName, 255), 'Only what concerns these groups; without it all')),
  events: v.optional(
    described(
      list(v.picklist(noticeKinds, `expected one of ${noticeKinds.join(', ')}`), noticeKinds.length),
      'Only these kinds; without it all',
    ),
  ),
});
export type NotificationEntry = v.InferOutput<typeof NotificationEntry>;

/** A URL in clear, or the name of the secret that holds it. */
export type Target = { url: string } | { secret: string };

interface Common {
  name: string;
  groups: readonly string[] | undefined;
  events: readonly NoticeKind[] | undefined;
}
export type Receiver = Common &
  (
    | { way: 'webhook'; target: Target; signingSecret: string | undefined }
    | { way: 'alertmanager' | 'chat'; target: Target }
    | {
        way: 'smtp';
        host: string;
        port: number;
        from: string;
        to: readonly string[];
        user: string | undefined;
        passwordSecret: string | undefined;
        tls: 'required' | 'offered' | 'direct' | 'none';
      }
  );
export const nameOfWay = Object.keys(ways) as Way[];

const secretName = (text: string): string => text.replace(/^\/run\/secrets\//, '');

/** @returns the receiver, or what is wrong with the entry and where */
export function receiverOf(
  name: string,
  entry: NotificationEntry,
): Receiver | { path: string[]; message: string; remedy: string } {
  const chosen = nameOfWay.filter((way) => entry[way] !== undefined);
  const [way] = chosen;
  if (way === undefined || chosen.length > 1) {
    const message = `expected exactly one of ${nameOfWay.join(', ')}, found ${chosen.join(' and ') || 'none'}`;
    return { path: [], message, remedy: 'say how it is told; write another entry for another way' };
  }
  const common: Common = { name, groups: entry.groups, events: entry.events };
  if (entry.smtp) {
    const { server, from, to, user, password_file, tls } = entry.smtp;
    const [host = '', port] = server.split(':');
    if ((user === undefined) !== (password_file === undefined))
      return { path: ['smtp'], message: 'expected user and password_file together', remedy: 'add the other' };
    const usual = tls === 'direct' ? 465 : user === undefined ? 25 : 587;
    return {
      ...common,
      way: 'smtp',
      ...{ host, port: port === undefined ? usual : Number(port), from, to, user },
      passwordSecret: password_file === undefined ? undefined : secretName(password_file),
      tls: tls ?? (user === undefined ? 'offered' : 'required'),
    };
  }
  const { url, url_file } = entry.webhook ?? entry.alertmanager ?? entry.chat ?? {};
  if ((url === undefined) === (url_file === undefined))
    return {
      path: [way],
      message: 'expected either url or url_file',
      remedy: 'name the secret: url_file: NAME',
    };
  const to: Target = url === undefined ? { secret: secretName(url_file ?? '') } : { url };
  if (way !== 'webhook') return { ...common, way: way === 'chat' ? 'chat' : 'alertmanager', target: to };
  const signing = entry.webhook?.secret_file;
  return {
    ...common,
    way,
    target: to,
    signingSecret: signing === undefined ? undefined : secretName(signing),
  };
}

/** A receiver that waits for a group that nobody defines would wait for ever. @param named all that somebody defines */
export function unknownGroups(receivers: readonly Receiver[], named: ReadonlySet<string>): Problem[] {
  return receivers.flatMap(({ name, groups = [] }) =>
    groups
      .filter((group) => !named.has(group))
      .map(
        (group): Problem => ({
          code: 'notification-group-unknown',
          severity: 'warning',
          where: `groups.yaml, notifications.${name}.groups`,
          value: group,
          message: `nobody defines this group${didYouMean(group, [...named])}`,
          instead: 'there is nothing to tell of it',
          remedy: 'correct the name, or define the group',
        }),
      ),
  );
}
