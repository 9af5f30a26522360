import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import { EvaluationEntity } from './evaluation.entity.js';

/** Reads what rules made of jobs. */
@Injectable()
export class EvaluationsQueryStore {
  constructor(private readonly database: Database) {}

  /** The last one of a rule and a job. @param rule id, or the name that it had then */
  latest(jobId: string, rule: string): Promise<EvaluationEntity | null> {
    return this.database.reads.findOne(EvaluationEntity, {
      where: [
        { jobId, ruleId: rule },
        { jobId, ruleName: rule },
      ],
      order: { id: 'DESC' },
    });
  }

  /** The delivery of a job that died last, of those whose death fires rules. */
  async lastDead(
    jobId: string,
  ): Promise<{ id: string; channel: string; ruleName: string; reason: string } | undefined> {
    const [dead] = await this.database.read<{ id: string; channel: string; ruleName: string; reason: string | null }>(
      `select id, channel, rule_name as "ruleName", reason from deliveries
        where job_id = ? and state = 'dead' and trigger_name <> 'delivery.dead' order by updated_at desc, id desc limit 1`,
      [jobId],
    );
    return dead && { ...dead, reason: dead.reason ?? '' };
  }
}
