import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { shownContact, shownGroup } from '../recipients/recipients.schema.js';
import { shownPolicy } from '../redaction/redactions.schema.js';
import type { ShownRule } from '../rules/rule-view.js';
import { shownRule } from '../rules/rules.schema.js';
import { shownTemplate, shownTemplateWithParts } from '../templates/templates.schema.js';
import { HeraldRefusal, type HeraldClient } from './herald-client.service.js';
import { stockedContact, stockedGroup, stockedRedaction, stockedRule, stockedTemplate, type Stock } from './stock.js';

const channels = z.object({ items: z.array(z.object({ name: z.string(), kind: z.enum(CHANNEL_KINDS) })) });

const redactions = z.object({ items: z.array(shownPolicy) });

/** Reads all that a running Herald has of what a folder can hold. @throws HeraldRefusal */
export async function readStock(client: HeraldClient): Promise<Stock> {
  const { items } = await client.ask('GET', '/v1/channels', channels).catch((error: unknown) => {
    if (!(error instanceof HeraldRefusal) || error.status !== 404) throw error;
    throw new HeraldRefusal(
      `${client.url} is not the address of a Herald: look at --url (HERALD_URL), without /v1`,
      404,
    );
  });
  const names = await client.all('/v1/templates', shownTemplate);
  const templates = [];
  for (const { name } of names)
    templates.push(stockedTemplate(await client.ask('GET', `/v1/templates/${name}`, shownTemplateWithParts)));
  return {
    channels: items,
    redactions: (await client.ask('GET', '/v1/redactions', redactions)).items.map(stockedRedaction),
    // Newest first over the API; in the order in which they were made, an address is that of the first.
    contacts: (await client.all('/v1/contacts', shownContact)).map(stockedContact).reverse(),
    groups: (await client.all('/v1/groups', shownGroup)).map(stockedGroup).reverse(),
    templates,
    rules: (await client.all('/v1/rules', shownRule)).map((rule) => stockedRule(rule as ShownRule)),
  };
}
