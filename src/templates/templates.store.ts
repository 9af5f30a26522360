import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { NotFoundError, PreconditionFailedError } from '../errors.js';
import { requireMatch } from '../http/etag.js';
import type { Template, TemplateParts } from './template.js';
import type { TemplateFiles } from './template-files.service.js';
import { TemplateEntity } from './template.entity.js';
import type { Partials } from './compile.js';
import { TEMPLATE_FILES } from './tokens.js';

/** Templates: files, and over them the versions that were saved. Versions count from 1 and are never used again. */
@Injectable()
export class TemplatesStore {
  /** Sources of the partials, by name. */
  readonly partials: Partials;
  private readonly files: ReadonlyMap<string, Template>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
    @Inject(TEMPLATE_FILES) files: TemplateFiles,
  ) {
    this.partials = files.partials;
    this.files = new Map(files.templates.map((template) => [template.name, template]));
  }

  /** What is sent now under this name: the latest saved version, else the file. */
  async current(name: string): Promise<Template | undefined> {
    return (await this.head(this.database.reads, name)).current;
  }

  /** Current templates by name. */
  async list(): Promise<Template[]> {
    const latest = await this.database.read<{ name: string; version: number }>(
      'select name, max(version) as version from templates group by name',
    );
    const stored = await Promise.all(
      latest.map(({ name, version }) => this.database.reads.findOneByOrFail(TemplateEntity, { name, version })),
    );
    const all = new Map(this.files);
    for (const row of stored) if (row.parts !== null) all.set(row.name, toTemplate(row, row.parts));
    return [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Saved versions, newest first. @param before version to go on below */
  versions(name: string, limit: number, before: number | undefined): Promise<TemplateEntity[]> {
    return this.database.reads
      .createQueryBuilder(TemplateEntity, 'template')
      .where('template.name = :name', { name })
      .andWhere(before === undefined ? '1 = 1' : 'template.version < :before', { before })
      .orderBy('template.version', 'DESC')
      .limit(limit)
      .getMany();
  }

  /**
   * Saves the next version. The parts must have been checked.
   * @param ifMatch needed when there is a template of this name
   * @throws PreconditionRequiredError, PreconditionFailedError
   */
  save(
    actor: string,
    name: string,
    content: { description: string | undefined; parts: TemplateParts },
    ifMatch: string | undefined,
  ): Promise<Template> {
    return this.write(async (tx) => {
      const { current, last } = await this.head(tx, name);
      if (current) requireMatch(ifMatch, current.version);
      else if (ifMatch !== undefined) throw new PreconditionFailedError('There is no template of this name any more');
      const description = content.description ?? current?.description ?? '';
      const row = await this.append(tx, actor, name, last + 1, { description, parts: content.parts });
      await this.audit.record(tx, actor, 'template.saved', name, { version: row.version });
      return toTemplate(row, content.parts);
    });
  }

  /**
   * Goes back to the file; without one, the template is gone. Earlier versions can still be read.
   * @returns the file's template, if there is one
   * @throws NotFoundError when nothing is saved under this name; PreconditionRequiredError, PreconditionFailedError
   */
  revert(actor: string, name: string, ifMatch: string | undefined): Promise<Template | undefined> {
    return this.write(async (tx) => {
      const { current, last } = await this.head(tx, name);
      if (!current) throw new NotFoundError('There is no template of this name');
      requireMatch(ifMatch, current.version);
      if (current.version === 0) {
        throw new NotFoundError('Only the file has this template: remove its folder and restart Herald');
      }
      const row = await this.append(tx, actor, name, last + 1, { description: '', parts: null });
      await this.audit.record(tx, actor, 'template.reverted', name, { version: row.version });
      return this.files.get(name);
    });
  }

  /**
   * One read for both: whoever saves next to a version that it did not see meets the key of that version.
   * @returns last: the highest version ever saved, 0 for none
   */
  private async head(manager: EntityManager, name: string): Promise<{ current: Template | undefined; last: number }> {
    const latest = await manager.findOne(TemplateEntity, { where: { name }, order: { version: 'DESC' } });
    const current = latest?.parts ? toTemplate(latest, latest.parts) : this.files.get(name);
    return { current, last: latest?.version ?? 0 };
  }

  private async append(
    tx: EntityManager,
    actor: string,
    name: string,
    version: number,
    content: Pick<TemplateEntity, 'description' | 'parts'>,
  ): Promise<TemplateEntity> {
    const row = { name, version, ...content, author: actor, createdAt: this.clock.now() };
    await tx.insert(TemplateEntity, row);
    return row;
  }

  private write<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return orConflict(
      this.database.uow.run(work),
      () => new PreconditionFailedError('Somebody else saved the template in this moment; read it again'),
    );
  }
}

function toTemplate(row: TemplateEntity, parts: TemplateParts): Template {
  return { name: row.name, version: row.version, description: row.description, parts, updatedAt: row.createdAt };
}
