import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { Policies, type PolicyInForce } from '../redaction/policies.service.js';
import { Redactor } from '../redaction/redactor.service.js';
import type { Digest, DigestItem } from '../templates/digest.js';
import { toFacts } from '../transcripts/facts.js';
import { LINK_SECRET, makeLinkToken } from '../transcripts/link.js';
import { cutText, previewSource } from '../transcripts/preview.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { BundlesStore } from './bundles.store.js';
import type { DeliveryEntity } from './delivery.entity.js';

/** Shown one by one; of the others a digest tells the number. */
const SHOWN = 20;
const RULES = 5;
const PREVIEW = 240;
const CLIENT = 60;

/** What a digest tells of the messages that it carries, as their jobs are now: what was erased meanwhile is not told. */
@Injectable()
export class DigestReader {
  constructor(
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'publicUrl'>,
    @Inject(LINK_SECRET) private readonly linkSecret: string,
    private readonly bundles: BundlesStore,
    private readonly jobs: JobsStore,
    private readonly transcripts: TranscriptsStore,
    private readonly policies: Policies,
    private readonly redactor: Redactor,
  ) {}

  /** @param policy masks what is told, before it is cut: the digest holds marks, see `Redactor.facts` */
  async read(bundleId: string, policy: PolicyInForce | undefined): Promise<Digest> {
    const all = await this.bundles.items(bundleId);
    const items: DigestItem[] = [];
    for (const delivery of all.slice(-SHOWN)) items.push(await this.item(delivery, policy));
    const rules = [...new Set(all.flatMap(rulesOf))].slice(0, RULES);
    return { count: all.length, rules, items };
  }

  private async item(delivery: DeliveryEntity, policy: PolicyInForce | undefined): Promise<DigestItem> {
    const { jobId, trigger, createdAt } = delivery;
    const told = { rule: rulesOf(delivery).join(', '), on: trigger, at: createdAt };
    const job = await this.jobs.find(jobId);
    if (job?.contentDroppedAt !== null) return told;
    const stored = await this.transcripts.find(jobId);
    const all = toFacts(this.jobs.facts(job), { ...(stored && { transcript: stored }) });
    const { job: shown, transcript: facts } = policy
      ? await this.redactor.facts(await this.policies.applied(policy, all), all)
      : all;
    const { client } = shown.tags;
    const url = this.urlOf(jobId);
    return {
      ...told,
      ...(client !== undefined && { client: cutText(client, CLIENT) }),
      ...(facts && { duration: facts.duration, preview: cutText(previewSource(facts), PREVIEW) }),
      ...(facts && url !== undefined && { url }),
    };
  }

  private urlOf(jobId: string): string | undefined {
    const { publicUrl } = this.settings;
    return publicUrl === undefined ? undefined : `${publicUrl}/t/${makeLinkToken(jobId, this.linkSecret)}`;
  }
}

/** One message may speak for several rules. */
function rulesOf({ ruleName, alsoFor }: DeliveryEntity): string[] {
  return [ruleName, ...alsoFor.map((other) => other.ruleName)];
}
