import assert from 'node:assert/strict';
import { CHANNEL_KINDS, type Channel, type Receipt, type SendContext } from '../../src/channels/channel.js';
import type { Message, RenderedParts } from '../../src/channels/message.js';
import { RecipientInvalidError, SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';

/** What the stand-in for the vendor does with the messages it is given from now on. */
export type FarSideBehaviour =
  | 'accept'
  /** Refuses for good, and repeats the recipient's address in its words. */
  | 'reject'
  /** Refuses for now. */
  | 'throttle'
  /** Takes the message, then the connection ends without an answer. */
  | 'cut'
  /** Takes the message and never answers. */
  | 'silence';

/** A stand-in for the vendor, reached over a real connection. */
export interface FarSide {
  behave(behaviour: FarSideBehaviour): void;
  /** Recipients of each message that was taken whole, whatever was answered. */
  taken(): string[][];
  /** How many times a message was offered. */
  offered(): number;
}

/** A fresh channel for one case. */
export interface ChannelHarness {
  channel: Channel;
  /** Two addresses of the channel's kind, as `parseRecipient` gives them. */
  addresses: readonly [string, string];
  /** Texts that must be refused because they are not exactly one recipient. */
  notOneRecipient: readonly string[];
  /** Absent for a channel that captures: then the cases that need it do not apply. */
  farSide?: FarSide;
}

export interface ChannelCase {
  name: string;
  needsFarSide: boolean;
  run: (harness: ChannelHarness) => Promise<void>;
}

/** A word of the message that must not show in an error. */
const CANARY = 'canaryword';
/** A send that has not settled after this long does not honour its signal. */
const PATIENCE_MS = 3_000;

function partsOf(channel: Channel): RenderedParts {
  const text = `A transcript of ${CANARY} is ready.`;
  if (channel.kind === 'sms') return { kind: 'sms', parts: { text } };
  return { kind: 'email', parts: { subject: text, html: `<p>${text}</p>`, text } };
}

function compose({ channel, addresses }: ChannelHarness): Message {
  return channel.compose(partsOf(channel), channel.parseRecipient(addresses[0]), []);
}

const contextOf = (signal: AbortSignal): SendContext => ({
  deliveryId: '0198f000-0000-7000-8000-000000000001',
  attempt: 1,
  idempotencyKey: '0198f000-0000-7000-8000-000000000001',
  signal,
});

function send(harness: ChannelHarness, signal = new AbortController().signal): Promise<Receipt> {
  return harness.channel.send(compose(harness), contextOf(signal));
}

function farSideOf({ farSide }: ChannelHarness): FarSide {
  assert.ok(farSide, 'the harness has no far side');
  return farSide;
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: what }));
    }, PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
  });
}

async function failureOf(sending: Promise<Receipt>): Promise<unknown> {
  const settled = await within(
    sending.then(
      () => 'resolved' as const,
      (reason: unknown) => ({ reason }),
    ),
    'send did not settle',
  );
  assert.notEqual(settled, 'resolved', 'send resolved although the vendor had not accepted');
  return (settled as { reason: unknown }).reason;
}

/** A check without waiting; what it throws rejects. */
const checked =
  (check: (harness: ChannelHarness) => void): ChannelCase['run'] =>
  (harness) =>
    new Promise((resolve) => {
      check(harness);
      resolve();
    });

/** Long enough for a second try to arrive that nobody asked for. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250));

async function failsAs(
  harness: ChannelHarness,
  behaviour: FarSideBehaviour,
  kind: typeof SendRejectedError | typeof SendDeferredError | typeof SendAmbiguousError,
): Promise<void> {
  const farSide = farSideOf(harness);
  farSide.behave(behaviour);
  const error = await failureOf(send(harness));
  assert.ok(error instanceof kind, `expected ${kind.name}, got ${String(error)}`);
  await settle();
  assert.equal(farSide.offered(), 1, 'a failed send is offered once: the delivery owns its retries');
}

/**
 * What Herald relies on in every channel. Each case takes a fresh harness; a failure is an AssertionError.
 */
export const channelCases: readonly ChannelCase[] = [
  {
    name: 'has a name, a known kind and a definition whose secrets are marked as such',
    needsFarSide: false,
    run: checked(({ channel }) => {
      assert.match(channel.name, /^\S+$/);
      assert.ok(CHANNEL_KINDS.includes(channel.kind));
      assert.notEqual(channel.definition.label, '');
      for (const setting of channel.definition.settings) {
        if (/password|token|secret|url$/i.test(setting.name) && !/base_url$/i.test(setting.name)) {
          assert.ok(setting.sensitive, `${setting.name} must be sensitive`);
        }
      }
    }),
  },
  {
    name: 'takes an address for exactly that one recipient, and its own result again unchanged',
    needsFarSide: false,
    run: checked(({ channel, addresses }) => {
      for (const address of addresses) {
        assert.equal(channel.parseRecipient(address).address, address);
        assert.equal(channel.parseRecipient(`  ${address} `).address, address);
      }
    }),
  },
  {
    name: 'refuses what is not exactly one recipient, without repeating it',
    needsFarSide: false,
    run: checked(({ channel, addresses: [first, second], notOneRecipient }) => {
      const texts = [
        `${first},${second}`,
        `${first}, ${second}`,
        `${first};${second}`,
        `${first}\r\nBcc: ${second}`,
        '',
        ' ',
      ];
      for (const text of [...texts, ...notOneRecipient]) {
        assert.throws(
          () => channel.parseRecipient(text),
          (error: unknown) => {
            assert.ok(error instanceof RecipientInvalidError, `${JSON.stringify(text)} must be refused`);
            assert.ok(!error.message.includes(first), 'the message must not repeat the address');
            return true;
          },
        );
      }
    }),
  },
  {
    name: 'composes the same message from the same parts, for exactly the recipient, and changes neither',
    needsFarSide: false,
    run: checked(({ channel, addresses }) => {
      const parts = partsOf(channel);
      const recipient = channel.parseRecipient(addresses[1]);
      const before = JSON.stringify([parts, recipient]);
      const message = channel.compose(parts, recipient, []);
      assert.deepEqual(channel.compose(parts, recipient, []), message);
      assert.equal(JSON.stringify([parts, recipient]), before);
      assert.equal(message.kind, channel.kind);
      assert.equal(message.to, addresses[1]);
    }),
  },
  {
    name: 'refuses a message of another kind',
    needsFarSide: false,
    async run({ channel }) {
      const other: Message =
        channel.kind === 'email'
          ? { kind: 'sms', to: '+14155552671', text: 't', segments: 1, encoding: 'GSM-7' }
          : { kind: 'email', to: 'a@example.com', subject: 's', text: 't', html: 'h', attachments: [] };
      await assert.rejects(() => channel.send(other, contextOf(new AbortController().signal)));
    },
  },
  {
    name: 'sends nothing when the signal is aborted before it begins',
    needsFarSide: false,
    async run(harness) {
      const error = await failureOf(send(harness, AbortSignal.abort()));
      assert.ok(error instanceof SendDeferredError, `expected SendDeferredError, got ${String(error)}`);
      assert.equal(error.vendorClass, 'NOT_SENT');
      await settle();
      assert.equal(harness.farSide?.offered() ?? 0, 0);
    },
  },
  {
    name: 'gives a receipt',
    needsFarSide: false,
    async run(harness) {
      const receipt = await within(send(harness), 'send did not settle');
      assert.ok(receipt.providerMessageId !== undefined || receipt.note !== undefined);
      assert.ok(!(receipt.note ?? '').includes(harness.addresses[0]), 'the note must not show the address');
      assert.doesNotMatch(receipt.note ?? '', /\n/);
    },
  },
  {
    name: 'resolves when the vendor has accepted, and not before',
    needsFarSide: true,
    async run(harness) {
      const farSide = farSideOf(harness);
      farSide.behave('accept');
      await within(send(harness), 'send did not settle');
      assert.equal(farSide.taken().length, 1, 'send resolved before the vendor had the message');
    },
  },
  {
    name: 'reaches exactly one recipient with one message',
    needsFarSide: true,
    async run(harness) {
      await within(send(harness), 'send did not settle');
      await settle();
      assert.deepEqual(farSideOf(harness).taken(), [[harness.addresses[0]]]);
    },
  },
  {
    name: 'reports a refusal for good as rejected, after one try',
    needsFarSide: true,
    run: (harness) => failsAs(harness, 'reject', SendRejectedError),
  },
  {
    name: 'reports a refusal for now as deferred, after one try',
    needsFarSide: true,
    run: (harness) => failsAs(harness, 'throttle', SendDeferredError),
  },
  {
    name: 'reports a connection that ends without an answer to the message as ambiguous, after one try',
    needsFarSide: true,
    run: (harness) => failsAs(harness, 'cut', SendAmbiguousError),
  },
  {
    name: 'gives up at the abort signal when the vendor is silent, as ambiguous',
    needsFarSide: true,
    async run(harness) {
      const farSide = farSideOf(harness);
      farSide.behave('silence');
      const controller = new AbortController();
      const sending = failureOf(send(harness, controller.signal));
      // Attached early: a send that fails before the abort must not be an unhandled rejection.
      sending.catch(() => undefined);
      const deadline = Date.now() + PATIENCE_MS;
      while (farSide.offered() === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      await settle();
      controller.abort();
      const error = await sending;
      assert.ok(error instanceof SendAmbiguousError, `expected SendAmbiguousError, got ${String(error)}`);
    },
  },
  {
    name: 'shows neither the address nor the text of the message in an error',
    needsFarSide: true,
    async run(harness) {
      for (const behaviour of ['reject', 'throttle', 'cut'] as const) {
        farSideOf(harness).behave(behaviour);
        const error = await failureOf(send(harness));
        assert.ok(error instanceof Error);
        // What a log would show of it, its causes included.
        const shown = [
          error.message,
          error.stack ?? '',
          JSON.stringify(error),
          JSON.stringify(error.cause ?? null),
        ].join(' ');
        assert.ok(!shown.includes(harness.addresses[0]), `${behaviour}: the error shows the address`);
        assert.ok(!shown.includes(CANARY), `${behaviour}: the error shows the message`);
        assert.doesNotMatch(error.message, /\n/);
      }
    },
  },
  {
    name: 'sends again after a failure, as if nothing had been',
    needsFarSide: true,
    async run(harness) {
      const farSide = farSideOf(harness);
      farSide.behave('throttle');
      await failureOf(send(harness));
      farSide.behave('accept');
      await within(send(harness), 'send did not settle');
      assert.equal(farSide.taken().at(-1)?.[0], harness.addresses[0]);
    },
  },
  {
    name: 'can be closed twice',
    needsFarSide: false,
    async run({ channel }) {
      await channel.close?.();
      await channel.close?.();
    },
  },
];
