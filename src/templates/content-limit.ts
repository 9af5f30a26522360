import type { ContentLevel } from '../recipients/content-level.js';
import type { Facts, TranscriptFacts } from '../transcripts/facts.js';
import { cutText, previewSource } from '../transcripts/preview.js';
import type { RenderData } from './view.js';

/** Characters of an excerpt. */
const EXCERPT = 240;

/**
 * What a template may see for a recipient's content level, so that no template can show more. Numbers stay (duration, words, speakers):
 * that there was a call is what every level tells.
 */
export function limitContent(data: RenderData): RenderData {
  const level = data.recipient.content ?? 'full';
  if (level === 'full') return data;
  const { transcript, link, digest, ...rest } = data;
  const matches = level === 'preview' ? data.matches : [];
  return {
    ...rest,
    ...(transcript && { transcript: level === 'preview' ? excerptOf(transcript) : wordless(transcript) }),
    ...(digest && { digest: { ...digest, items: digest.items.map((item) => limitItem(item, level)) } }),
    matches,
    ...(link !== undefined && level !== 'fact' && { link }),
  };
}

/** Nothing of what was said may be shown. */
export function withholdsWords(level: ContentLevel | undefined): boolean {
  return level === 'link' || level === 'fact';
}

function limitItem(item: DigestItem, level: ContentLevel): DigestItem {
  const { preview, url, ...rest } = item;
  return {
    ...rest,
    ...(preview !== undefined && !withholdsWords(level) && { preview }),
    ...(url !== undefined && level !== 'fact' && { url }),
  };
}

function excerptOf(transcript: TranscriptFacts): Facts['transcript'] {
  const text = cutText(previewSource(transcript), EXCERPT);
  return { ...wordless(transcript), text, topics: transcript.topics, intents: transcript.intents };
}

function wordless({ summary: _summary, sentiment: _sentiment, ...transcript }: TranscriptFacts): TranscriptFacts {
  return { ...transcript, text: '', utterances: [], topics: [], intents: [], entities: [], search: [] };
}

type DigestItem = NonNullable<RenderData['digest']>['items'][number];
