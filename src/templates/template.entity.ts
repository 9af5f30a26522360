import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { TemplateParts } from './template.js';

/** A version saved over the API; `parts` null is the version that went back to the file. */
@Entity('templates')
export class TemplateEntity {
  @PrimaryColumn('text') name!: string;
  @PrimaryColumn('integer') version!: number;
  @Column('text') description!: string;
  @Column('simple-json', { nullable: true }) parts!: TemplateParts | null;
  @Column('text') author!: string;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
