import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DeliveryReport } from '../channels/channel.js';
import { advances } from '../channels/sms/twilio-report.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { rows } from '../database/unit-of-work.service.js';
import { DeliveryEntity } from './delivery.entity.js';
import { settleReport, statusOf, storedStatus } from './report-state.store.js';

/** What became of a report. */
export type ReportOutcome = 'applied' | 'stale' | 'unknown-delivery';

/** The vendor's later word. States never go back: reports come twice, in any order, and before the answer to the send. */
@Injectable()
export class ReportsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  find(deliveryId: string): Promise<DeliveryEntity | null> {
    return this.database.reads.findOneBy(DeliveryEntity, { id: deliveryId });
  }

  /** @param died written in the same transaction when the report makes the delivery dead */
  apply(
    deliveryId: string,
    report: DeliveryReport,
    died?: (tx: EntityManager) => Promise<void>,
  ): Promise<ReportOutcome> {
    const { dialect } = this.database;
    return this.database.uow.run(async (tx) => {
      // Two reports at the same moment: the later one has to see what the earlier one wrote.
      await rows(tx, dialect.bind(`select id from deliveries where id = ? ${dialect.rowLock}`), [deliveryId]);
      const delivery = await tx.findOneBy(DeliveryEntity, { id: deliveryId });
      if (!delivery) return 'unknown-delivery';
      const current = delivery.reportStatus === null ? undefined : statusOf(delivery.reportStatus);
      if (!advances(current, report.status)) return 'stale';
      await tx.update(
        DeliveryEntity,
        { id: deliveryId },
        {
          reportStatus: storedStatus(report),
          providerMessageId: report.providerMessageId,
        },
      );
      if ((await settleReport(tx, deliveryId, this.clock.now())) === 'dead') await died?.(tx);
      return 'applied';
    });
  }
}
