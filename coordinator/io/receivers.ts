// A batch of notices → one receiver, by HTTP or by mail. Whatever goes wrong comes as words without any secret, and with
// whether another try may help.
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import * as v from 'valibot';
import { version } from '../../shared/version.ts';
import { alertOf, chatBody, mailOf, webhookBody } from '../core/notice-shapes.ts';
import type { Notice } from '../core/notices.ts';
import { type Receiver, type Target, ways } from '../core/notifications.ts';

export class DeliveryError extends Error {
  /** The receiver has understood and refuses: the same again would be refused again. */
  readonly final: boolean;
  constructor(message: string, final = false) {
    super(message);
    this.final = final;
  }
}

export interface Delivery {
  /** How many notices one delivery takes at most. */
  most(receiver: Receiver): number;
  /** @throws DeliveryError */
  deliver(receiver: Receiver, notices: readonly Notice[], nowMs: number): Promise<void>;
}

const patienceMs = 10_000;

/** @param secretsFolder where Docker mounts secrets */
export function createDelivery(secretsFolder = '/run/secrets'): Delivery {
  const secret = async (name: string): Promise<string> => {
    try {
      const text = (await readFile(join(secretsFolder, name), 'utf8')).trim();
      if (text !== '') return text;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      throw new DeliveryError(`the coordinator service mounts no secret ${name} (${code})`);
    }
    throw new DeliveryError(`the secret ${name} is empty`);
  };
  const urlOf = async (target: Target, below = ''): Promise<URL> => {
    const text = 'url' in target ? target.url : await secret(target.secret);
    const read = v.safeParse(ways.chat, { url: text });
    if (!read.success || !URL.canParse(text))
      throw new DeliveryError('expected a URL in the secret, found another text');
    return new URL(below === '' ? text : `${text.replace(/\/+$/, '')}${below}`);
  };

  return {
    most: ({ way }) => (way === 'webhook' ? 1 : 20),
    async deliver(receiver, notices, nowMs) {
      const [first] = notices;
      if (!first) return;
      switch (receiver.way) {
        case 'webhook': {
          const url = await urlOf(receiver.target);
          const body = webhookBody(first);
          const key = receiver.signingSecret === undefined ? undefined : await secret(receiver.signingSecret);
          return post(url, body, webhookHeaders(first.id, body, key, nowMs));
        }
        case 'alertmanager': {
          const alerts = notices.map((each) => alertOf(each, nowMs));
          return post(await urlOf(receiver.target, '/api/v2/alerts'), JSON.stringify(alerts));
        }
        case 'chat':
          return post(await urlOf(receiver.target), chatBody(notices));
        case 'smtp':
          return mail(receiver, notices, receiver.passwordSecret && (await secret(receiver.passwordSecret)));
      }
    },
  };
}

/**
 * Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, seconds and body. A secret `whsec_…` is base64, any
 * other one is taken as it is.
 */
export function webhookHeaders(
  id: string,
  body: string,
  secret: string | undefined,
  nowMs: number,
): Record<string, string> {
  const seconds = String(Math.floor(nowMs / 1000));
  const headers = { 'webhook-id': id, 'webhook-timestamp': seconds };
  if (secret === undefined) return headers;
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : secret;
  const mark = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { ...headers, 'webhook-signature': `v1,${mark}` };
}

/** No redirect is followed: the body is for this receiver alone. */
function post(url: URL, body: string, headers: Record<string, string> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const open = url.protocol === 'https:' ? requestHttps : requestHttp;
    const outgoing = open(url, {
      method: 'POST',
      agent: false,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': `swarm-vip/${version}`,
        ...headers,
      },
    });
    const timer = setTimeout(() => end(`no answer within ${patienceMs / 1000} s`), patienceMs);
    const end = (failure?: string, final = false) => {
      clearTimeout(timer);
      outgoing.destroy();
      if (failure === undefined) resolve();
      else reject(new DeliveryError(failure, final));
    };
    outgoing.on('error', (error) => end(networkWords(error)));
    outgoing.on('response', (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      if (status >= 200 && status < 300) return end();
      // 408 and 429 ask for another try.
      const refused = status >= 300 && status < 500 && status !== 408 && status !== 429;
      end(`it answers HTTP ${status}`, refused);
    });
    outgoing.end(body);
  });
}

/** The code alone: the words may hold the host, which may be a secret. */
const networkWords = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name;

async function mail(
  { host, port, from, to, user, tls }: Extract<Receiver, { way: 'smtp' }>,
  notices: readonly Notice[],
  password: string | undefined,
): Promise<void> {
  const { subject, text } = mailOf(notices);
  const transport = createTransport({
    // Encryption that need not be there proves nothing, so a certificate of the server's own making is as good as any.
    ...(tls === 'offered' ? { tls: { rejectUnauthorized: false } } : {}),
    ...{ host, port, secure: tls === 'direct', requireTLS: tls === 'required', ignoreTLS: tls === 'none' },
    ...(user === undefined || password === undefined ? {} : { auth: { user, pass: password } }),
    ...{ connectionTimeout: patienceMs, greetingTimeout: patienceMs, socketTimeout: patienceMs },
  });
  try {
    await transport.sendMail({
      ...{ from, to: [...to], subject, text },
      // The same mail from another coordinator is the same mail.
      messageId: `<${notices[0]?.id}@swarm-vip>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
  } catch (error) {
    const { code, responseCode } = error as { code?: string; responseCode?: number };
    const words = [code, responseCode].filter((each) => each !== undefined).join(' ');
    // A refused password may be corrected on the server; a refused address will be refused again.
    throw new DeliveryError(`mail: ${words || 'failed'}`, code === 'EENVELOPE' && (responseCode ?? 0) >= 500);
  } finally {
    transport.close();
  }
}
