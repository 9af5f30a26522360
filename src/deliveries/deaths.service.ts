import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DeliveryEntity } from './delivery.entity.js';

/** Made before a delivery that died is recorded; the returned function writes what its rules planned, in the same transaction. */
export type PlanForDead = (
  delivery: DeliveryEntity,
  reason: string,
) => Promise<((tx: EntityManager) => Promise<void>) | undefined>;

/** Called inside the transaction that makes a delivery dead. */
export type Died = (tx: EntityManager, reason: string) => Promise<void>;

/** Only the transaction saw that the delivery dies; it is run again with what the rules planned. */
class DeathNotPlannedError extends Error {
  constructor(readonly reason: string) {
    super('A delivery died unforeseen');
  }
}

/**
 * Every death of a delivery goes through here, so that its rules fire exactly once: with the state, or not at all. Whoever writes
 * cannot always tell beforehand whether a delivery dies, for a report may have been faster than the answer to its send.
 */
@Injectable()
export class Deaths {
  private plan: PlanForDead = () => Promise.resolve(undefined);

  /** The layer that evaluates rules registers itself here; it lies above this one. */
  onDead(plan: PlanForDead): void {
    this.plan = plan;
  }

  /**
   * Runs a write that makes the delivery dead, or may do so.
   * @param work a transaction; run a second time when it calls `died` unforeseen
   * @param expected the reason when the death is known beforehand
   */
  async write<T>(delivery: DeliveryEntity, work: (died: Died) => Promise<T>, expected?: string): Promise<T> {
    if (expected !== undefined) return this.writePlanned(delivery, work, expected);
    try {
      return await work((_tx, reason) => Promise.reject(new DeathNotPlannedError(reason)));
    } catch (error) {
      if (!(error instanceof DeathNotPlannedError)) throw error;
      return this.writePlanned(delivery, work, error.reason);
    }
  }

  private async writePlanned<T>(
    delivery: DeliveryEntity,
    work: (died: Died) => Promise<T>,
    reason: string,
  ): Promise<T> {
    const planned = await this.plan(delivery, reason);
    return work(async (tx) => {
      await planned?.(tx);
    });
  }
}
