import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { AuditEntity } from '../database/audit.entity.js';
import { Database } from '../database/database.service.js';

/** Reads what AuditStore wrote. */
@Injectable()
export class AuditReader {
  constructor(private readonly database: Database) {}

  /** Up to `limit + 1` rows, newest first. */
  list(filter: { limit: number; cursor?: string | undefined; action?: string | undefined }): Promise<AuditEntity[]> {
    const { limit, cursor, action } = filter;
    return this.database.reads.find(AuditEntity, {
      where: { ...(cursor !== undefined && { id: LessThan(cursor) }), ...(action !== undefined && { action }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
  }
}
