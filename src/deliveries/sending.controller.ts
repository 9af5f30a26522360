import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { CLOSED_BY, type ChannelState } from '../channels/channel-state.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { isoTime } from '../iso-time.js';
import { ChannelGate } from './channel-gate.service.js';
import { ALL_CHANNELS } from './channel-states.store.js';

const channelName = z.string().min(1).max(64);
const reason = z.string().trim().min(1).max(200, { error: 'has at most 200 characters' });
const pauseChannel = z
  .strictObject({ reason: reason.optional() })
  .default({})
  .meta({ examples: [{ reason: 'the template is wrong' }] });
const pauseSending = z.strictObject({ reason }).meta({ examples: [{ reason: 'wrong recipients since noon' }] });

const at = z.iso.datetime();
const shownState = z.object({
  channel: z.string(),
  open: z.boolean(),
  cause: z.enum(CLOSED_BY).nullable(),
  since: at.nullable(),
  code: z.string().nullable(),
  reason: z.string().nullable(),
  /** When it is tried again by itself; null: when somebody resumes it. */
  until: at.nullable(),
});
const shownSending = z.object({
  paused: z.boolean(),
  since: at.nullable(),
  /** Name of the key that paused it. */
  by: z.string().nullable(),
  reason: z.string().nullable(),
});
type ShownState = z.infer<typeof shownState>;
type ShownSending = z.infer<typeof shownSending>;

/** People stop and start what is sent. What waits is kept, and goes oldest first when it may. */
@ApiTags('channels')
@RequireScope('admin')
@Controller('v1')
export class SendingController {
  constructor(
    private readonly gate: ChannelGate,
    private readonly channels: ChannelsRegistry,
  ) {}

  @Post('channels/:name/pause')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send nothing more on a channel; a send that has begun is finished' })
  @ApiOkResponse({ standardSchema: shownState })
  async pause(
    @Param('name', { schema: channelName }) name: string,
    @Body({ schema: pauseChannel }) body: z.infer<typeof pauseChannel>,
    @Actor() actor: Principal,
  ): Promise<ShownState> {
    this.find(name);
    await this.gate.pause(name, actor.name, body.reason);
    return this.state(name);
  }

  @Post('channels/:name/resume')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Let a channel send again, whoever closed it',
    description: 'Also ends a pause of the vendor, a throttle and an open circuit breaker. What waits is sent at once.',
  })
  @ApiOkResponse({ standardSchema: shownState })
  async resume(@Param('name', { schema: channelName }) name: string, @Actor() actor: Principal): Promise<ShownState> {
    this.find(name);
    await this.gate.resume(name, actor.name);
    return this.state(name);
  }

  @Get('sending')
  @ApiOperation({ summary: 'Whether all sending is paused' })
  @ApiOkResponse({ standardSchema: shownSending })
  sending(): ShownSending {
    const { paused, since, by, reason } = this.gate.sending();
    return { paused, since: since === undefined ? null : isoTime(since), by: by ?? null, reason: reason ?? null };
  }

  @Post('sending/pause')
  @HttpCode(200)
  @ApiOperation({
    summary: 'The kill switch: send nothing more on any channel',
    description:
      'After the answer no send begins, on any replica, also after a restart, until `POST /v1/sending/resume`; what has begun is finished ' +
      '(at most 30 seconds). Callbacks are taken and rules evaluated as ever, and what they plan waits.',
  })
  @ApiOkResponse({ standardSchema: shownSending })
  async pauseAll(
    @Body({ schema: pauseSending }) body: z.infer<typeof pauseSending>,
    @Actor() actor: Principal,
  ): Promise<ShownSending> {
    await this.gate.pause(ALL_CHANNELS, actor.name, body.reason);
    return this.sending();
  }

  @Post('sending/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'End the pause of all sending; a channel that is paused by itself stays so' })
  @ApiOkResponse({ standardSchema: shownSending })
  async resumeAll(@Actor() actor: Principal): Promise<ShownSending> {
    await this.gate.resume(ALL_CHANNELS, actor.name);
    return this.sending();
  }

  private find(name: string): void {
    if (this.channels.get(name)) return;
    const names = this.channels.all().map((channel) => channel.name);
    throw new NotFoundError(`There is no such channel; channels are ${names.join(', ')}`);
  }

  private state(name: string): ShownState {
    const found: ChannelState = this.gate.states().find(({ channel }) => channel === name) ?? {
      channel: name,
      open: true,
    };
    return {
      channel: name,
      open: found.open,
      cause: found.cause ?? null,
      since: found.since === undefined ? null : isoTime(found.since),
      code: found.code ?? null,
      reason: found.reason ?? null,
      until: found.until === undefined ? null : isoTime(found.until),
    };
  }
}
