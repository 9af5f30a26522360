import { Column, Entity, PrimaryColumn } from 'typeorm';

export const SCOPES = ['jobs:write', 'jobs:read', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key is random and long, so a plain SHA-256 of it is enough; the key itself is shown once and never stored. */
@Entity('api_keys')
export class ApiKeyEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  /** First characters, to tell keys apart. */
  @Column('text') prefix!: string;
  @Column('text') hash!: string;
  @Column('simple-json') scopes!: Scope[];
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'last_used_at', nullable: true }) lastUsedAt!: number | null;
  @Column('bigint', { name: 'revoked_at', nullable: true }) revokedAt!: number | null;
}
