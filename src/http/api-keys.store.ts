import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { IsNull, LessThan } from 'typeorm';
import { Clock } from '../clock.js';
import { SETTINGS } from '../config/settings.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { Ids } from '../ids.service.js';
import { ApiKeyEntity, type Scope } from './api-key.entity.js';
import type { Principal } from './principal.js';

/** What the store needs of the settings. */
export interface AdminKeySetting {
  adminKey?: string | undefined;
}

/** Written at most this often, so that reading with a key does not write. */
const LAST_USED_EVERY_MS = 60_000;

/** API keys: `herald_` and 32 random bytes, kept as SHA-256. The key itself is returned once, when it is made. */
@Injectable()
export class ApiKeysStore {
  private readonly adminDigest: Buffer | undefined;
  private readonly lastTouched = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly ids: Ids,
    private readonly audit: AuditStore,
    @Inject(SETTINGS) settings: AdminKeySetting,
  ) {
    this.adminDigest = settings.adminKey ? digest(settings.adminKey) : undefined;
  }

  /**
   * Makes an admin key when nobody could come in: no key is in use and HERALD_ADMIN_KEY is not set.
   * @returns the key, to be shown once; undefined when there was nothing to do
   */
  async ensureAdminKey(): Promise<string | undefined> {
    if (this.adminDigest) return undefined;
    return this.database.uow.run(async (tx) => {
      if (await tx.existsBy(ApiKeyEntity, { revokedAt: IsNull() })) return undefined;
      const { row, key } = this.newKey('first admin key', ['admin']);
      await tx.insert(ApiKeyEntity, row);
      await this.audit.record(tx, 'system', 'api-key.created', row.id, { name: row.name, scopes: row.scopes });
      return key;
    });
  }

  /** Who holds this key; undefined when nobody does (any more). */
  async find(key: string): Promise<Principal | undefined> {
    const hashed = digest(key);
    if (this.adminDigest && timingSafeEqual(hashed, this.adminDigest)) {
      return { id: 'environment', name: 'HERALD_ADMIN_KEY', scopes: ['admin'] };
    }
    const row = await this.database.reads.findOneBy(ApiKeyEntity, {
      hash: hashed.toString('hex'),
      revokedAt: IsNull(),
    });
    if (!row) return undefined;
    this.touch(row);
    return { id: row.id, name: row.name, scopes: row.scopes };
  }

  async create(actor: string, name: string, scopes: Scope[]): Promise<{ row: ApiKeyEntity; key: string }> {
    const made = this.newKey(name, scopes);
    await this.database.uow.run(async (tx) => {
      await tx.insert(ApiKeyEntity, made.row);
      await this.audit.record(tx, actor, 'api-key.created', made.row.id, { name, scopes });
    });
    return made;
  }

  /** Up to `limit + 1` rows, newest first, revoked ones included. */
  list(limit: number, cursor?: string): Promise<ApiKeyEntity[]> {
    return this.database.reads.find(ApiKeyEntity, {
      where: cursor ? { id: LessThan(cursor) } : {},
      order: { id: 'DESC' },
      take: limit + 1,
    });
  }

  /** False when there is no such key, or it was revoked before. */
  revoke(actor: string, id: string): Promise<boolean> {
    return this.database.uow.run(async (tx) => {
      const where = { id, revokedAt: IsNull() };
      const result = await tx.update(ApiKeyEntity, where, { revokedAt: this.clock.now() });
      if (result.affected !== 1) return false;
      await this.audit.record(tx, actor, 'api-key.revoked', id);
      return true;
    });
  }

  private newKey(name: string, scopes: Scope[]): { row: ApiKeyEntity; key: string } {
    const key = `herald_${randomBytes(32).toString('base64url')}`;
    const row = {
      id: this.ids.next(),
      name,
      prefix: key.slice(0, 13),
      hash: digest(key).toString('hex'),
      scopes: [...new Set(scopes)],
      createdAt: this.clock.now(),
      lastUsedAt: null,
      revokedAt: null,
    };
    return { row, key };
  }

  /** Not awaited by the request: when a key was last used is for people, and a failure to note it must not refuse anybody. */
  private touch(row: ApiKeyEntity): void {
    const now = this.clock.now();
    const last = Math.max(row.lastUsedAt ?? 0, this.lastTouched.get(row.id) ?? 0);
    if (now - last < LAST_USED_EVERY_MS) return;
    this.lastTouched.set(row.id, now);
    this.database.uow
      .run((tx) => tx.update(ApiKeyEntity, { id: row.id }, { lastUsedAt: now }))
      .catch(() => this.lastTouched.delete(row.id));
  }
}

/** Equal lengths for the constant-time comparison, and what is stored of a key. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
