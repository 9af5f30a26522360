import { Controller, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Public } from '../http/api-key.guard.js';
import { ackPage, noAckPage, shownName, type AckView } from './ack-page.js';
import { Acknowledgements, type BehindLink } from './acknowledgements.service.js';
import type { EscalationEntity } from './escalation.entity.js';
import { ackToken } from './escalations.schema.js';
import { EscalationsQueryStore } from './escalations.query.store.js';

/** Nothing runs and nothing is fetched; the one form posts to where it came from. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The page behind `{{ack}}` in messages. Mail programs and scanners follow links: only the button changes anything. */
@Public()
@ApiExcludeController()
@Controller('a')
export class AckPageController {
  constructor(
    private readonly acknowledgements: Acknowledgements,
    private readonly queries: EscalationsQueryStore,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'brand' | 'locale' | 'timeZone'>,
  ) {}

  @Get(':token')
  async show(@Param('token', { schema: ackToken }) token: string, @Res() reply: FastifyReply): Promise<void> {
    await this.answer(reply, await this.acknowledgements.lookUp(token));
  }

  @Post(':token')
  @HttpCode(200)
  async acknowledge(@Param('token', { schema: ackToken }) token: string, @Res() reply: FastifyReply): Promise<void> {
    await this.answer(reply, await this.acknowledgements.byLink(token));
  }

  private async answer(reply: FastifyReply, found: BehindLink | undefined): Promise<void> {
    void reply.type('text/html; charset=utf-8').headers({
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow, noarchive',
    });
    if (!found) {
      await reply.code(404).send(noAckPage());
      return;
    }
    const { brand, locale, timeZone } = this.settings;
    const { recipientData } = found.delivery;
    await reply.send(
      ackPage(await this.views(found.escalations), {
        brand,
        locale: recipientData.locale ?? locale,
        timeZone: recipientData.timeZone ?? timeZone,
      }),
    );
  }

  private async views(escalations: EscalationEntity[]): Promise<AckView[]> {
    const deliveries = await this.queries.acknowledgers(escalations);
    return escalations.map(
      ({ ruleName, state, nextAt, reason, acknowledgedAt, acknowledgedBy, acknowledgedDeliveryId }) => {
        const view: AckView = { ruleName, state, nextAt, reason };
        if (acknowledgedAt === null) return view;
        const delivery = deliveries.get(acknowledgedDeliveryId ?? '');
        const who = delivery
          ? shownName({ name: delivery.recipientData.name, address: delivery.recipient })
          : (acknowledgedBy ?? undefined);
        return { ...view, acknowledged: { at: acknowledgedAt, ...(who === undefined ? {} : { who }) } };
      },
    );
  }
}
