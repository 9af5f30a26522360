import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { isoTime } from '../iso-time.js';
import { ClockGuard } from './clock-guard.service.js';
import type { ClockTrust } from './clock-trust.js';
import { Purge } from './purge.service.js';

const shownRetention = z.object({
  days: z.object({
    jobs: z.number().int().nullable().meta({ description: 'HERALD_RETENTION_DAYS; null: kept', example: 365 }),
    content: z.number().int().nullable().meta({ description: 'HERALD_CONTENT_RETENTION_DAYS', example: 30 }),
    audio: z.number().int().meta({ description: 'HERALD_AUDIO_RETENTION_DAYS', example: 7 }),
  }),
  clock: z.object({
    trusted: z.boolean().meta({ description: 'false: it jumped ahead, and nothing is dropped by age' }),
    lastTrustedAt: z.iso.datetime(),
    hoursLeft: z.number().meta({ description: 'Uptime until a doubted clock is believed by itself' }),
  }),
  last: z
    .object({
      at: z.iso.datetime(),
      postponed: z.boolean(),
      jobs: z.number().int(),
      contents: z.number().int(),
      audio: z.number().int(),
      callbacks: z.number().int(),
    })
    .nullable()
    .meta({ description: 'The last run in this process' }),
});
type ShownRetention = z.infer<typeof shownRetention>;

/** What is dropped by age, and whether the clock is believed for it. */
@ApiTags('administration')
@RequireScope('admin')
@Controller('v1/retention')
export class RetentionController {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly guard: ClockGuard,
    private readonly purge: Purge,
  ) {}

  @Get()
  @ApiOperation({ summary: 'What is dropped by age, and what the last purge did' })
  @ApiOkResponse({ standardSchema: shownRetention })
  async show(): Promise<ShownRetention> {
    return this.view(await this.guard.look());
  }

  @Post('clock')
  @HttpCode(200)
  @ApiOperation({ summary: 'Confirm that the clock is right after it jumped: the purge goes on' })
  @ApiOkResponse({ standardSchema: shownRetention })
  async confirm(@Actor() actor: Principal): Promise<ShownRetention> {
    const trust = await this.guard.confirm(actor.name);
    this.purge.wake();
    return this.view(trust);
  }

  private view(trust: ClockTrust): ShownRetention {
    const { retentionDays, contentRetentionDays, audioRetentionDays } = this.settings;
    const { last } = this.purge;
    return {
      days: { jobs: retentionDays ?? null, content: contentRetentionDays ?? null, audio: audioRetentionDays },
      clock: {
        trusted: trust.doubted === undefined,
        lastTrustedAt: isoTime(trust.good.wall),
        hoursLeft: Math.ceil(this.guard.left(trust) / 3_600_000),
      },
      last: last === undefined ? null : { ...last, at: isoTime(last.at) },
    };
  }
}
