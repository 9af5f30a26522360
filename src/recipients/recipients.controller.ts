import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { pageOf } from '../http/openapi.js';
import { toPage, type Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import type { ContactEntity, GroupEntity, SuppressionEntity } from './contact.entity.js';
import { ContactsStore, type SavedContact } from './contacts.store.js';
import { GroupsStore } from './groups.store.js';
import {
  contactBody,
  groupBody,
  listByName,
  listSuppressions,
  rowId,
  shownContact,
  shownGroup,
  shownSuppression,
  snoozeBody,
  suppressionBody,
  suppressionChange,
  type ContactBody,
  type GroupBody,
  type ListByName,
  type ListSuppressions,
  type ShownContact,
  type ShownGroup,
  type ShownSuppression,
  type SnoozeBody,
  type SuppressionBody,
  type SuppressionChange,
} from './recipients.schema.js';
import { toContact } from './recipients.store.js';
import { SuppressionsStore } from './suppressions.store.js';

const IF_MATCH = {
  name: 'If-Match',
  required: false,
  example: '"v1795000000000"',
  description: 'The ETag that was read: a change that somebody else made since is not overwritten',
};

/** Addresses of people: every route needs `admin`. */
@ApiTags('directory')
@RequireScope('admin')
@Controller('v1/contacts')
export class ContactsController {
  constructor(private readonly contacts: ContactsStore) {}

  @Get()
  @ApiOperation({ summary: 'List contacts, newest first; `name` finds one' })
  @ApiOkResponse({ standardSchema: pageOf(shownContact) })
  async list(@Query({ schema: listByName }) query: ListByName): Promise<Page<ShownContact>> {
    return toPage(await this.contacts.list(query), query.limit, showContact);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a contact' })
  @ApiOkResponse({ standardSchema: shownContact })
  async get(
    @Param('id', { schema: rowId }) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownContact> {
    const row = await this.contacts.get(id);
    void reply.header('etag', etagOf(row.updatedAt));
    return showContact(row);
  }

  @Post()
  @ApiOperation({ summary: 'Make a contact' })
  @ApiCreatedResponse({ standardSchema: shownContact })
  async create(
    @Body({ schema: contactBody }) body: ContactBody,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownContact> {
    const saved = await this.contacts.create(actor.name, body);
    void reply.header('location', `/v1/contacts/${saved.row.id}`);
    return showSaved(saved);
  }

  @Put(':id')
  @ApiOperation({ summary: 'Replace a contact; its groups follow a new name' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownContact })
  async replace(
    @Param('id', { schema: rowId }) id: string,
    @Body({ schema: contactBody }) body: ContactBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownContact> {
    const saved = await this.contacts.replace(actor.name, id, body, ifMatch);
    void reply.header('etag', etagOf(saved.row.updatedAt));
    return showSaved(saved);
  }

  @Post(':id/snooze')
  @HttpCode(200)
  @ApiOperation({ summary: 'Send a contact nothing until a time; `null` ends that' })
  @ApiOkResponse({ standardSchema: shownContact })
  async snooze(
    @Param('id', { schema: rowId }) id: string,
    @Body({ schema: snoozeBody }) { until }: SnoozeBody,
    @Actor() actor: Principal,
  ): Promise<ShownContact> {
    return showContact(await this.contacts.snooze(actor.name, id, until === null ? null : Date.parse(until)));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a contact; refused while a rule names it, its groups lose it' })
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  delete(
    @Param('id', { schema: rowId }) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
  ): Promise<void> {
    return this.contacts.delete(actor.name, id, ifMatch);
  }
}

@ApiTags('directory')
@RequireScope('admin')
@Controller('v1/groups')
export class GroupsController {
  constructor(private readonly groups: GroupsStore) {}

  @Get()
  @ApiOperation({ summary: 'List groups, newest first; `name` finds one' })
  @ApiOkResponse({ standardSchema: pageOf(shownGroup) })
  async list(@Query({ schema: listByName }) query: ListByName): Promise<Page<ShownGroup>> {
    return toPage(await this.groups.list(query), query.limit, showGroup);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a group' })
  @ApiOkResponse({ standardSchema: shownGroup })
  async get(
    @Param('id', { schema: rowId }) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownGroup> {
    const row = await this.groups.get(id);
    void reply.header('etag', etagOf(row.updatedAt));
    return showGroup(row);
  }

  @Post()
  @ApiOperation({ summary: 'Make a group' })
  @ApiCreatedResponse({ standardSchema: shownGroup })
  async create(
    @Body({ schema: groupBody }) body: GroupBody,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownGroup> {
    const row = await this.groups.create(actor.name, body);
    void reply.header('location', `/v1/groups/${row.id}`);
    return showGroup(row);
  }

  @Put(':id')
  @ApiOperation({ summary: 'Replace a group' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownGroup })
  async replace(
    @Param('id', { schema: rowId }) id: string,
    @Body({ schema: groupBody }) body: GroupBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownGroup> {
    const saved = await this.groups.replace(actor.name, id, body, ifMatch);
    void reply.header('etag', etagOf(saved.updatedAt));
    return showGroup(saved);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a group; refused while a rule names it' })
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  delete(
    @Param('id', { schema: rowId }) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
  ): Promise<void> {
    return this.groups.delete(actor.name, id, ifMatch);
  }
}

/** Addresses that must not be contacted. */
@ApiTags('directory')
@RequireScope('admin')
@Controller('v1/suppressions')
export class SuppressionsController {
  constructor(private readonly suppressions: SuppressionsStore) {}

  @Get()
  @ApiOperation({ summary: 'List suppressions, newest first; `kind`, `address` and `sender` find one' })
  @ApiOkResponse({ standardSchema: pageOf(shownSuppression) })
  async list(@Query({ schema: listSuppressions }) query: ListSuppressions): Promise<Page<ShownSuppression>> {
    return toPage(await this.suppressions.list(query), query.limit, showSuppression);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a suppression' })
  @ApiOkResponse({ standardSchema: shownSuppression })
  async get(@Param('id', { schema: rowId }) id: string): Promise<ShownSuppression> {
    return showSuppression(await this.suppressions.get(id));
  }

  @Post()
  @ApiOperation({ summary: 'Make a suppression, for one sender of text messages or for every sender' })
  @ApiCreatedResponse({ standardSchema: shownSuppression })
  async create(
    @Body({ schema: suppressionBody }) body: SuppressionBody,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownSuppression> {
    const row = await this.suppressions.create(actor.name, body);
    void reply.header('location', `/v1/suppressions/${row.id}`);
    return showSuppression(row);
  }

  @Put(':id')
  @ApiOperation({ summary: 'Change the reason of a suppression' })
  @ApiOkResponse({ standardSchema: shownSuppression })
  async changeReason(
    @Param('id', { schema: rowId }) id: string,
    @Body({ schema: suppressionChange }) body: SuppressionChange,
    @Actor() actor: Principal,
  ): Promise<ShownSuppression> {
    return showSuppression(await this.suppressions.changeReason(actor.name, id, body.reason));
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Allow an address again' })
  @ApiNoContentResponse()
  delete(@Param('id', { schema: rowId }) id: string, @Actor() actor: Principal): Promise<void> {
    return this.suppressions.delete(actor.name, id);
  }
}

function showContact(row: ContactEntity): ShownContact {
  const { snoozedUntil, ...contact } = toContact(row);
  return {
    ...contact,
    ...(snoozedUntil === undefined ? {} : { snoozedUntil: isoTime(snoozedUntil) }),
    ...showTimes(row),
  };
}

function showSaved({ row, warnings }: SavedContact): ShownContact {
  return warnings.length === 0 ? showContact(row) : { ...showContact(row), warnings };
}

function showGroup(row: GroupEntity): ShownGroup {
  const { id, name, members } = row;
  return { id, name, members, ...showTimes(row) };
}

function showSuppression(row: SuppressionEntity): ShownSuppression {
  const { id, kind, address, sender, source, reason } = row;
  const createdAt = new Date(row.createdAt).toISOString();
  return { id, kind, address, ...(sender === '' ? {} : { sender }), source, reason, createdAt };
}

function showTimes({ createdAt, updatedAt }: { createdAt: number; updatedAt: number }) {
  return { createdAt: new Date(createdAt).toISOString(), updatedAt: new Date(updatedAt).toISOString() };
}
