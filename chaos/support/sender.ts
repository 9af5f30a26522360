import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFixture } from '../../test/fixtures/deepgram/index.js';
import { basic, HOOK_PASSWORD } from '../../test/support/server.js';

/** One callback that the sender made, and how it fared. */
export interface SentCallback {
  requestId: string;
  email: string | undefined;
  phone: string | undefined;
  /** The inbox's id, once a 200 has come back. */
  acknowledged: string | undefined;
}

/** Deepgram tries again 10 times, 30 s apart; here 0.5 s. */
const TRIES = 11;
const PAUSE_MS = 500;

/**
 * Posts callbacks as Deepgram does for a job that somebody else submitted, each with a request id of its own, and tries again until
 * one is acknowledged. Its notes are the first of two logs that no code of the product writes; the sinks' are the second.
 */
export class Sender {
  readonly sent = new Map<string, SentCallback>();
  readonly statuses = new Map<number, number>();
  retries = 0;
  /** Told when the first bytes of an answer are there. */
  onAnswer: () => void = () => undefined;
  private readonly agent = new Agent({ keepAlive: true });
  private readonly body: { metadata: Record<string, unknown> };
  private readonly over = new AbortController();
  private serial: number;

  /** @param offset of the numbers in addresses, so that two senders share none */
  constructor(
    private readonly url: string,
    offset = 0,
    fixture = 'diarized.json',
  ) {
    this.serial = offset;
    // Each connection that waits listens.
    setMaxListeners(0, this.over.signal);
    this.body = JSON.parse(readFixture(fixture).toString('utf8')) as { metadata: Record<string, unknown> };
  }

  /** What was acknowledged. */
  get acknowledged(): SentCallback[] {
    return [...this.sent.values()].filter((callback) => callback.acknowledged !== undefined);
  }

  /** A callback whose job is told by the channels that are asked for, and by no other. */
  make(channels: { email?: boolean; sms?: boolean }): { callback: SentCallback; bytes: Buffer } {
    const number = this.serial++;
    const callback: SentCallback = {
      requestId: randomUUID(),
      email: channels.email ? `u${number}@clinic.example` : undefined,
      phone: channels.sms ? `+1415${String(2_000_000 + number)}` : undefined,
      acknowledged: undefined,
    };
    const { requestId, email, phone } = callback;
    const extra = { ...(email === undefined ? {} : { email }), ...(phone === undefined ? {} : { phone }) };
    const metadata = { ...this.body.metadata, request_id: requestId, extra };
    this.sent.set(requestId, callback);
    return { callback, bytes: Buffer.from(JSON.stringify({ ...this.body, metadata })) };
  }

  /** Makes one and posts it until it is acknowledged or the tries are used up. */
  async send(channels: { email?: boolean; sms?: boolean }): Promise<SentCallback> {
    const { callback, bytes } = this.make(channels);
    await this.deliver(callback, bytes);
    return callback;
  }

  /** @param once does not try again @returns whether it was acknowledged */
  async deliver(callback: SentCallback, bytes: Buffer, once = false): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const answer = await this.post(bytes).catch(() => undefined);
      if (answer !== undefined) this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
      if (answer?.status === 200) {
        callback.acknowledged = (JSON.parse(answer.text) as { callback: string }).callback;
        return true;
      }
      if (once || tries === TRIES || this.over.signal.aborted) return false;
      this.retries++;
      await sleep(PAUSE_MS, undefined, { signal: this.over.signal }).catch(() => undefined);
    }
  }

  /** Lets `connections` send side by side, each with a pause after each callback, until {@link stop}. */
  async load(connections: number, pauseMs: number): Promise<void> {
    const one = async (): Promise<void> => {
      while (!this.over.signal.aborted) {
        await this.send({ email: true, sms: true });
        await sleep(Math.random() * 2 * pauseMs, undefined, { signal: this.over.signal }).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: connections }, one));
  }

  stop(): void {
    this.over.abort();
    this.agent.destroy();
  }

  private post(bytes: Buffer): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        `${this.url}/hook`,
        {
          method: 'POST',
          agent: this.agent,
          // The self-hosted default of Deepgram.
          timeout: 10_000,
          headers: {
            authorization: basic(HOOK_PASSWORD),
            'content-type': 'application/json',
            'content-length': bytes.length,
          },
        },
        (response) => {
          this.onAnswer();
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, text });
          });
          response.on('error', reject);
          response.on('aborted', () => {
            reject(new Error('the answer was cut'));
          });
        },
      );
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', reject);
      outgoing.end(bytes);
    });
  }
}
