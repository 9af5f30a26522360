import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { SECOND } from '../duration.js';
import {
  ConflictError,
  NotFoundError,
  RecipientInvalidError,
  SendAmbiguousError,
  SendDeferredError,
  SendRejectedError,
  UnprocessableError,
} from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { Ids } from '../ids.service.js';
import { isoTime } from '../iso-time.js';
import { nearest } from '../suggestion.js';
import { CLOSED_BY, type ChannelState } from './channel-state.js';
import { ChannelStates } from './channel-states.service.js';
import { CHANNEL_KINDS, type Channel, type Receipt, type Recipient } from './channel.js';
import { ChannelsRegistry } from './channels.registry.service.js';
import { testMessage } from './test-message.js';
import { CONFIGURED_SETTINGS } from './tokens.js';

const channelName = z.string().min(1).max(64);
const testBody = z
  .strictObject({ to: z.string().min(1).max(320, { error: 'has at most 320 characters' }) })
  .meta({ examples: [{ to: 'me@example.com' }] });
type TestBody = z.infer<typeof testBody>;

/** A person waits for the answer. */
const TEST_DEADLINE_MS = 30 * SECOND;

const shownChannel = z.object({
  name: z.string(),
  kind: z.enum(CHANNEL_KINDS),
  label: z.string(),
  /** Nothing leaves the machine. */
  captures: z.boolean(),
  state: z.object({
    /** Whether it sends at present. */
    open: z.boolean(),
    cause: z.enum(CLOSED_BY).optional(),
    since: z.iso.datetime().optional(),
    code: z.string().optional(),
    reason: z.string().optional(),
    /** When it is tried again by itself; absent: when somebody resumes it. */
    until: z.iso.datetime().optional(),
  }),
  settings: z.array(
    z.object({
      name: z.string(),
      label: z.string(),
      required: z.boolean(),
      sensitive: z.boolean(),
      /** Whether it is set; what it holds is never shown. */
      configured: z.boolean(),
    }),
  ),
});
type ShownChannel = z.infer<typeof shownChannel>;

const shownReceipt = z.object({
  providerMessageId: z.string().optional(),
  note: z.string().optional(),
  /** True when nothing left the machine. */
  captured: z.boolean(),
});
type ShownReceipt = z.infer<typeof shownReceipt>;

@ApiTags('channels')
@RequireScope('admin')
@Controller('v1/channels')
export class ChannelsController {
  constructor(
    private readonly registry: ChannelsRegistry,
    private readonly states: ChannelStates,
    private readonly ids: Ids,
    private readonly database: Database,
    private readonly audit: AuditStore,
    @Inject(CONFIGURED_SETTINGS) private readonly configured: ReadonlySet<string>,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List channels, whether they send at present, and which of their settings are set' })
  @ApiOkResponse({ standardSchema: z.object({ items: z.array(shownChannel) }) })
  list(): { items: ShownChannel[] } {
    return { items: this.registry.all().map((channel) => this.show(channel)) };
  }

  /** Sends a short message now, past rules, templates and retries: does the account work, and does it reach this address? */
  @Post(':name/test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send a short test message now' })
  @ApiOkResponse({ standardSchema: shownReceipt })
  async test(
    @Param('name', { schema: channelName }) name: string,
    @Body({ schema: testBody }) { to }: TestBody,
    @Actor() actor: Principal,
  ): Promise<ShownReceipt> {
    const channel = this.find(name);
    if (this.states.of(name).cause === 'kill-switch') {
      throw new ConflictError('All sending is paused; POST /v1/sending/resume first');
    }
    const recipient = parse(channel, to);
    const testId = this.ids.next();
    await this.database.uow.run((tx) => this.audit.record(tx, actor.name, 'channel.tested', name, { testId }));
    return { ...(await send(channel, recipient, testId)), captured: channel.captures };
  }

  private find(name: string): Channel {
    const channel = this.registry.get(name);
    if (channel) return channel;
    const names = this.registry.all().map((one) => one.name);
    const suggestion = nearest(name, names);
    throw new NotFoundError(
      `There is no such channel; channels are ${names.join(', ')}`,
      suggestion === undefined ? {} : { errors: [{ pointer: 'name', message: 'is not a channel', suggestion }] },
    );
  }

  private show({ name, kind, captures, definition }: Channel): ShownChannel {
    const settings = definition.settings.map((setting) => ({
      name: setting.name,
      label: setting.label,
      required: setting.required,
      sensitive: setting.sensitive,
      // A channel that sends was made from all that it requires.
      configured: this.configured.has(setting.name) || (setting.required && !captures),
    }));
    const state = shownState(this.states.of(name));
    return { name, kind, label: definition.label, captures, state, settings };
  }
}

function shownState({ open, cause, since, code, reason, until }: ChannelState): ShownChannel['state'] {
  return {
    open,
    ...(cause && { cause }),
    ...(since !== undefined && { since: isoTime(since) }),
    ...(code !== undefined && { code }),
    ...(reason !== undefined && { reason }),
    ...(until !== undefined && { until: isoTime(until) }),
  };
}

function parse(channel: Channel, to: string): Recipient {
  try {
    return channel.parseRecipient(to);
  } catch (error) {
    if (!(error instanceof RecipientInvalidError)) throw error;
    throw new RecipientInvalidError(error.message, { errors: [{ pointer: '/to', message: error.message }] });
  }
}

/** @throws UnprocessableError with the vendor's own word for what went wrong */
async function send(channel: Channel, recipient: Recipient, testId: string): Promise<Receipt> {
  const message = channel.compose(testMessage(channel.kind), recipient, []);
  const signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  try {
    return await channel.send(message, { deliveryId: testId, attempt: 1, idempotencyKey: testId, signal });
  } catch (error) {
    throw new UnprocessableError(explain(error), { cause: error });
  }
}

function explain(error: unknown): string {
  const vendor = (fault: { vendorClass: string; vendorCode: string; message: string }): string =>
    `${fault.message} (${fault.vendorClass}, ${fault.vendorCode})`;
  if (error instanceof SendRejectedError) return `The message was refused: ${vendor(error)}`;
  if (error instanceof SendDeferredError) return `The message could not be sent now: ${vendor(error)}`;
  if (error instanceof SendAmbiguousError) return `The message may have been sent, no answer came: ${vendor(error)}`;
  return 'The channel failed with an error that it does not explain; see the log';
}
