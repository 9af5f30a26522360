import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DeliveryReport } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { explainReportedCode } from '../channels/sms/twilio-errors.js';
import { advances } from '../channels/sms/twilio-report.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { rows } from '../database/unit-of-work.service.js';
import { OptOutsStore } from '../recipients/opt-outs.store.js';
import { Deaths } from './deaths.service.js';
import { AttemptEntity, DeliveryEntity } from './delivery.entity.js';
import { settleReport } from './report-state.store.js';
import { statusOf, storedStatus } from './reported.js';

/** What became of a report. */
export type ReportOutcome = 'applied' | 'stale' | 'unknown-delivery';

/** The vendor's later word. States never go back: reports come twice, in any order, and before the answer to the send. */
@Injectable()
export class ReportsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly deaths: Deaths,
    private readonly channels: ChannelsRegistry,
    private readonly optOuts: OptOutsStore,
  ) {}

  find(deliveryId: string): Promise<DeliveryEntity | null> {
    return this.database.reads.findOneBy(DeliveryEntity, { id: deliveryId });
  }

  /**
   * @param attempt the one that the report is about; the one with the vendor's id, or else the newest, when the vendor does not say
   * @param from the sender as the vendor names it, where the channel leaves the choice to the vendor
   */
  async apply(
    deliveryId: string,
    attempt: number | undefined,
    report: DeliveryReport,
    from?: string,
  ): Promise<ReportOutcome> {
    const found = await this.find(deliveryId);
    if (!found) return 'unknown-delivery';
    const { dialect } = this.database;
    const channel = this.channels.get(found.channel);
    const isOptOut = toldOptOut(report, from ?? channel?.sender);
    const outcome = await this.deaths.write<ReportOutcome>(found, (died) =>
      this.database.uow.run(async (tx) => {
        // Two reports at the same moment: the later one has to see what the earlier one wrote.
        await rows(tx, dialect.bind(`select id from deliveries where id = ? ${dialect.rowLock}`), [deliveryId]);
        const delivery = await tx.findOneBy(DeliveryEntity, { id: deliveryId });
        const told = await this.attemptOf(tx, deliveryId, attempt, report.providerMessageId);
        if (!delivery || !told) return 'unknown-delivery';
        const current = told.reportStatus === null ? undefined : statusOf(told.reportStatus);
        if (!advances(current, report.status)) return 'stale';
        await tx.update(
          AttemptEntity,
          { deliveryId, number: told.number },
          { reportStatus: storedStatus(report), providerMessageId: report.providerMessageId },
        );
        if (attempt !== undefined) await this.takeBack(tx, delivery, report.providerMessageId);
        await settleReport(tx, deliveryId, this.clock.now(), died);
        if (isOptOut) await this.optOuts.told(tx, delivery, channel, report.code ?? '');
        return 'applied';
      }),
    );
    if (isOptOut) this.optOuts.committed();
    return outcome;
  }

  /**
   * A report names delivery and attempt; a look-up can only compare words. Where it gave the message to another delivery of the same
   * words, that one is in doubt again.
   */
  private async takeBack(tx: EntityManager, owner: DeliveryEntity, providerMessageId: string): Promise<void> {
    const { dialect } = this.database;
    const now = this.clock.now();
    const wrong = await rows<{ id: string }>(
      tx,
      dialect.bind(
        `select deliveries.id from deliveries join attempts on attempts.delivery_id = deliveries.id
          where deliveries.recipient = ? and deliveries.id <> ? and deliveries.state in ('sent', 'delivered')
            and attempts.provider_message_id = ? and attempts.outcome = 'ambiguous'`,
      ),
      [owner.recipient, owner.id, providerMessageId],
    );
    for (const { id } of wrong) {
      await tx.update(
        AttemptEntity,
        { deliveryId: id, providerMessageId },
        { providerMessageId: null, reportStatus: null },
      );
      const doubt = { reason: 'may have been sent: the message that was found is of another delivery', dueAt: now };
      await tx.update(
        DeliveryEntity,
        { id },
        { ...doubt, state: 'unknown', providerMessageId: null, sentAt: null, deliveredAt: null, updatedAt: now },
      );
    }
  }

  private async attemptOf(
    tx: EntityManager,
    deliveryId: string,
    number: number | undefined,
    providerMessageId: string,
  ): Promise<AttemptEntity | null> {
    if (number !== undefined) return tx.findOneBy(AttemptEntity, { deliveryId, number });
    return (
      (await tx.findOneBy(AttemptEntity, { deliveryId, providerMessageId })) ??
      (await tx.findOne(AttemptEntity, { where: { deliveryId }, order: { number: 'DESC' } }))
    );
  }
}

function toldOptOut({ code }: DeliveryReport, from: string | undefined): boolean {
  return code !== undefined && explainReportedCode(Number(code), from).class === 'OPTED_OUT';
}
