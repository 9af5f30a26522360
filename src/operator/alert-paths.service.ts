import nodemailer from 'nodemailer';
import { parseMailbox } from '../channels/email/email-address.js';
import type { Settings } from '../config/env.js';
import { SECOND } from '../duration.js';
import { isObject } from '../json.js';
import type { alertMessage } from './alert.js';

export type AlertMessage = ReturnType<typeof alertMessage>;

/**
 * A way to the operator. It shares nothing with the channels, so that it works when they do not.
 * `send` rejects when the message was not taken; what it rejects with may hold an address or a secret (see {@link codeOf}).
 */
export interface AlertPath {
  readonly name: 'webhook' | 'mail';
  send(message: AlertMessage, signal: AbortSignal): Promise<void>;
}

const WITHIN = 10 * SECOND;

/** The paths that are configured; none: the log alone. */
export function alertPaths({ webhookUrl, mail }: Settings['alerts']): AlertPath[] {
  return [...(webhookUrl === undefined ? [] : [webhookPath(webhookUrl)]), ...(mail ? [mailPath(mail)] : [])];
}

function webhookPath(address: string): AlertPath {
  const url = new URL(address);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return {
    name: 'webhook',
    async send({ body }, signal) {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'herald',
          ...(username || password ? { authorization: `Basic ${login}` } : {}),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(WITHIN)]),
      });
      await response.body?.cancel();
      if (!response.ok) throw new PathRefusal(`HTTP ${response.status}`);
    },
  };
}

function mailPath({ url, to, from }: NonNullable<Settings['alerts']['mail']>): AlertPath {
  const sender = parseMailbox(from);
  return {
    name: 'mail',
    async send({ subject, text }, signal) {
      // One for each message: nothing that an idle connection could go stale in.
      const transport = nodemailer.createTransport({
        url,
        disableFileAccess: true,
        disableUrlAccess: true,
        connectionTimeout: WITHIN,
        greetingTimeout: WITHIN,
        socketTimeout: WITHIN,
        dnsTimeout: WITHIN / 2,
      });
      try {
        await transport.sendMail({
          from: { name: sender.name ?? '', address: sender.address },
          to: [{ name: '', address: to }],
          subject,
          text,
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.any([signal, AbortSignal.timeout(2 * WITHIN)]),
        });
      } finally {
        transport.close();
      }
    },
  };
}

class PathRefusal extends Error {}

/** Why a path failed: `HTTP 404`, `550`, `ECONNREFUSED`, `TIMEOUT`. Never the words of the other side. */
export function codeOf(error: unknown): string {
  if (error instanceof PathRefusal) return error.message;
  if (!isObject(error)) return 'UNKNOWN';
  if (typeof error.responseCode === 'number') return String(error.responseCode);
  if (error.name === 'TimeoutError') return 'TIMEOUT';
  if (isObject(error.cause) && typeof error.cause.code === 'string') return error.cause.code;
  return typeof error.code === 'string' ? error.code : 'UNKNOWN';
}
